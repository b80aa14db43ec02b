import { join } from 'node:path';
import { Buffer } from 'node:buffer';
import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type Disk, type DiskFile } from '../base/ports/disk.ts';
import { NODE_EVENT, type NodeEvent } from '../wire/watch-schema.ts';

const DIRECTORY = 'events';
/** The newer file, and the one before it: when the newer is full it becomes the older, and what was older goes. */
const NEWER = 'newer.ndjson';
const OLDER = 'older.ndjson';
const FILE_BYTES_MAX = 512 * 1024;
const EVENTS_KEPT_MAX = 4096;
/** More than are ever lost with the power: numbers that somebody may have seen are not given to other events. */
const SEQUENCES_SKIPPED = 1000;

/**
 * What happened to this node, across its restarts: a bounded diary for people. A line of JSON for each event, written
 * at the end of the turn and never synced, because nothing rests on it: a power cut may cost its last lines, and a disk that
 * refuses it costs the diary and nothing else.
 */
export class EventJournal {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #events: NodeEvent[] = [];
  #file: DiskFile | null = null;
  #fileBytes = 0;
  #unwritten: string[] = [];
  #nextSequence: number;

  /** Reads what is there. @param dataDirectory of this node, made and locked already. */
  constructor(disk: Disk, clock: Clock, dataDirectory: string) {
    this.#disk = disk;
    this.#clock = clock;
    this.#directory = join(dataDirectory, DIRECTORY);
    this.#trying(() => this.#open());
    this.#nextSequence = (this.#events.at(-1)?.sequence ?? -SEQUENCES_SKIPPED) + SEQUENCES_SKIPPED + 1;
  }

  add(event: Omit<NodeEvent, 'sequence'>): NodeEvent {
    const numbered = { sequence: this.#nextSequence, ...event };
    this.#nextSequence += 1;
    this.#keep(numbered);
    if (this.#unwritten.length === 0) this.#clock.defer(() => this.#write());
    this.#unwritten.push(`${JSON.stringify(numbered)}\n`);
    return numbered;
  }

  /** Events behind a number, as far as they are kept: of those the last `max`, in order. */
  since(after: number, max: number): NodeEvent[] {
    let from = this.#events.length;
    while (from > 0 && (this.#events[from - 1] as NodeEvent).sequence > after) from -= 1;
    return this.#events.slice(Math.max(from, this.#events.length - max));
  }

  get lastSequence(): number {
    return this.#nextSequence - 1;
  }

  /** Writes what is left. */
  close(): void {
    this.#write();
    this.#trying(() => this.#file?.closeSync());
    this.#file = null;
  }

  #open(): void {
    this.#disk.mkdirSync(this.#directory);
    this.#load(OLDER);
    this.#load(NEWER);
    const path = join(this.#directory, NEWER);
    this.#file = this.#disk.openSync(path, this.#disk.existsSync(path) ? 'write' : 'create');
    this.#fileBytes = this.#file.size();
    // A line that the power cut off must not swallow the one that comes next.
    if (this.#fileBytes > 0) this.#unwritten.push('\n');
  }

  /** Lines that are damaged are left out. */
  #load(name: string): void {
    const path = join(this.#directory, name);
    if (!this.#disk.existsSync(path)) return;
    const file = this.#disk.openSync(path, 'read');
    const bytes = new Uint8Array(Math.min(file.size(), FILE_BYTES_MAX * 2));
    const length = file.readSync(bytes, 0);
    file.closeSync();
    for (const line of Buffer.from(bytes.buffer, 0, length).toString('utf8').split('\n')) {
      const event = parseEvent(line);
      if (event !== null && event.sequence > (this.#events.at(-1)?.sequence ?? 0)) this.#keep(event);
    }
  }

  #keep(event: NodeEvent): void {
    this.#events.push(event);
    if (this.#events.length > EVENTS_KEPT_MAX * 2)
      this.#events.splice(0, this.#events.length - EVENTS_KEPT_MAX);
  }

  #write(): void {
    if (this.#unwritten.length === 0) return;
    const bytes = Buffer.from(this.#unwritten.join(''), 'utf8');
    this.#unwritten = [];
    this.#trying(() => {
      if (this.#fileBytes >= FILE_BYTES_MAX) this.#turnOver();
      this.#file?.writevSync([bytes], this.#fileBytes);
      this.#fileBytes += bytes.length;
    });
  }

  #turnOver(): void {
    this.#file?.closeSync();
    this.#file = null;
    this.#disk.renameSync(join(this.#directory, NEWER), join(this.#directory, OLDER));
    this.#file = this.#disk.openSync(join(this.#directory, NEWER), 'create');
    this.#fileBytes = 0;
  }

  #trying(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#file = null;
    }
  }
}

function parseEvent(line: string): NodeEvent | null {
  try {
    const parsed = NODE_EVENT.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
