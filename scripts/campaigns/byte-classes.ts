import type { Prng } from '../../src/base/prng.ts';
import type { CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { dumpLog } from '../../src/wal/index.ts';

/** A stretch of a file whose bytes mean the same kind of thing. */
interface Stretch {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

const SEGMENT_HEADER_BYTES = 512;
const SEGMENT_FIELDS_BYTES = 72;
const BLOCK_HEADER_BYTES = 32;
const ENTRY_HEADER_BYTES = 64;
const TRAILER_BYTES = 16;
const SLOT_BYTES = 512;
const SLOT_FIELDS_BYTES = 104;
const SLOTS = [0, 4096];
const CHECKPOINT_HEADER_BYTES = 512;
const KEY_BLOCK_BYTES = 4096;

/** Every byte that a node has on its disk, by what it is. */
export class ByteClasses {
  readonly #stretches = new Map<string, Stretch[]>();

  constructor(disk: CrashableDisk, directory: string) {
    this.#addLog(disk, directory);
    for (const path of disk.paths) {
      const name = path.slice(directory.length + 1);
      const { length } = disk.visible(path);
      if (name === 'identity') this.#add('identity', path, 0, length);
      else if (name === 'hard-state' || name === 'watermark') this.#addSlots(name, path, length);
      else if (name.startsWith('checkpoint-')) this.#addCheckpoint(path, disk.visible(path));
      else if (name.startsWith('queues/queue-')) this.#add('queue unit', path, 0, length);
      else if (name.startsWith('queues/keys-')) this.#addKeys(path, length);
    }
  }

  get names(): string[] {
    return [...this.#stretches.keys()].sort();
  }

  bytes(name: string): number {
    return this.#of(name).reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** Some byte of the class. */
  pick(name: string, prng: Prng): { readonly path: string; readonly position: number } {
    let at = prng.below(this.bytes(name));
    for (const { path, from, to } of this.#of(name)) {
      if (at < to - from) return { path, position: from + at };
      at -= to - from;
    }
    throw new RangeError(`there is no ${name}`);
  }

  #of(name: string): readonly Stretch[] {
    return this.#stretches.get(name) ?? [];
  }

  #add(name: string, path: string, from: number, to: number): void {
    if (to <= from) return;
    const stretches = this.#stretches.get(name) ?? [];
    stretches.push({ path, from, to });
    this.#stretches.set(name, stretches);
  }

  #addLog(disk: CrashableDisk, directory: string): void {
    for (const item of dumpLog(disk, directory)) {
      const path = `${directory}/${item.file}`;
      switch (item.type) {
        case 'segment':
          this.#add('segment header', path, 0, SEGMENT_FIELDS_BYTES);
          this.#add('segment header', path, SEGMENT_HEADER_BYTES - 4, SEGMENT_HEADER_BYTES);
          this.#add('segment header, zeros', path, SEGMENT_FIELDS_BYTES, SEGMENT_HEADER_BYTES - 4);
          break;
        case 'block':
          this.#add('block header', path, item.position, item.position + BLOCK_HEADER_BYTES);
          break;
        case 'entry':
          this.#add('entry header', path, item.position, item.position + ENTRY_HEADER_BYTES);
          this.#add('entry body', path, item.position + ENTRY_HEADER_BYTES, item.position + item.bytes);
          break;
        case 'sealed':
          this.#addFooter(path, item.position, disk.visible(path));
          break;
        case 'end':
          this.#add('zeros behind the log', path, item.position, disk.visible(path).length);
          break;
        default:
          throw new Error(`the log was damaged before: ${item.what}`);
      }
    }
  }

  #addFooter(path: string, end: number, bytes: Uint8Array): void {
    const trailerAt = bytes.length - TRAILER_BYTES;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const bodyAt = trailerAt - view.getUint32(trailerAt + 4, true);
    this.#add('zeros before a footer', path, end, bodyAt);
    this.#add('footer', path, bodyAt, trailerAt);
    this.#add('footer trailer', path, trailerAt, bytes.length);
  }

  #addSlots(name: string, path: string, length: number): void {
    for (const [at, slot] of SLOTS.entries()) {
      this.#add(`${name} slot`, path, slot, slot + SLOT_FIELDS_BYTES);
      this.#add(`${name} slot`, path, slot + SLOT_BYTES - 4, slot + SLOT_BYTES);
      this.#add(`${name}, zeros`, path, slot + SLOT_FIELDS_BYTES, slot + SLOT_BYTES - 4);
      this.#add(`${name}, zeros`, path, slot + SLOT_BYTES, SLOTS[at + 1] ?? length);
    }
  }

  #addCheckpoint(path: string, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const stateAt = CHECKPOINT_HEADER_BYTES + view.getUint32(48, true);
    this.#add('checkpoint header', path, 0, CHECKPOINT_HEADER_BYTES);
    this.#add('checkpoint configuration', path, CHECKPOINT_HEADER_BYTES, stateAt);
    this.#add('checkpoint state', path, stateAt, bytes.length);
  }

  #addKeys(path: string, length: number): void {
    for (let at = 0; at < length; at += KEY_BLOCK_BYTES) this.#add('key run', path, at, at + KEY_BLOCK_BYTES);
  }
}
