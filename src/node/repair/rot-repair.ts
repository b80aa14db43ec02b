import { entryHeaderFollows } from '../../base/entry.ts';
import { mark } from '../../base/marks.ts';
import type { Mutations } from '../../base/mutations.ts';
import type { Clock } from '../../base/ports/clock.ts';
import type { Disk, DiskError } from '../../base/ports/disk.ts';
import type { Network } from '../../base/ports/network.ts';
import type { RaftCore } from '../../raft/index.ts';
import {
  SegmentMender,
  type EntrySource,
  type MendingReport,
  type Wal,
  type WalRotError,
} from '../../wal/index.ts';
import type { Hello } from '../../wire/handshake.ts';
import type { Announce } from '../announcement.ts';
import { PeerEntries, type PeerEntriesParts } from './peer-entries.ts';
import { repairedNews, unrepairedNews } from './words.ts';

export interface RotRepairParts {
  readonly core: RaftCore;
  readonly wal: Wal;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly mutations: Mutations;
  readonly network: Network;
  /** How this node greets those it asks. */
  readonly hello: () => Hello;
  /** The other nodes. */
  readonly peers: PeerEntriesParts['peers'];
  readonly enter: () => void;
  readonly event: Announce;
  /** What could not be read may be readable now. */
  readonly onRepaired: () => void;
  readonly onFailure: (error: DiskError) => void;
}

/** Between attempts to hand over: two that are damaged in the same place do not toss leadership to and fro. */
const HAND_OVER_MS = 60_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5000;
/** Fetched from memory for one run at most. */
const MEMORY_BYTES_MAX: number = 64 * 1024 * 1024;

interface Wound {
  /** Monotonic; when to try (again). */
  dueMs: number;
  retryMs: number;
  /** What was said last of why it could not be put back. */
  told: string;
}

/**
 * What does not verify any more is put back from another node, byte for byte, while this one goes on: nobody is served what
 * is damaged, a leader hands over, since whatever it is asked for might be that, and a follower goes on storing and voting:
 * its log ends where it ended. What nobody has is asked for again and again, and said to be missing.
 */
export class RotRepair {
  readonly #parts: RotRepairParts;
  readonly #others: PeerEntries;
  /** Segments with something that does not verify, by file name. */
  readonly #wounds = new Map<string, Wound>();
  /** Places that were told of, by file and position, until they are mended. */
  readonly #told = new Set<string>();
  #mender: SegmentMender | null = null;
  #found = 0;
  #repaired = 0;
  #handOvers = 0;
  #nextHandOverMs = 0;

  constructor(parts: RotRepairParts) {
    this.#parts = parts;
    this.#others = new PeerEntries(parts);
  }

  counters(): Record<string, number> {
    return {
      rotFound: this.#found,
      rotRepaired: this.#repaired,
      rotLeft: this.#wounds.size,
      rotHandOvers: this.#handOvers,
    };
  }

  /** To be told whenever a read of the log meets what does not verify. */
  found(error: WalRotError): void {
    const { file, position, index } = error.place;
    const place = `${file}:${position}`;
    if (!this.#told.has(place)) {
      this.#told.add(place);
      this.#found += 1;
      mark('node.rot-found');
      const text = `${error.message}; it is put back from the other nodes`;
      this.#parts.event('error', 'rot-found', text, { file, position, index });
    }
    if (!this.#wounds.has(file)) this.#wounds.set(file, { dueMs: 0, retryMs: RETRY_MS_MIN, told: '' });
  }

  /** The same for who cannot go on without. @returns false where there is nobody who could have it. */
  takes(error: WalRotError): boolean {
    if (this.#parts.peers().length === 0) return false;
    this.found(error);
    return true;
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    if (this.#wounds.size === 0) return;
    if (this.#parts.core.role === 'leader' && nowMs >= this.#nextHandOverMs) this.#handOver(nowMs);
    if (this.#mender !== null) return;
    for (const [file, wound] of this.#wounds) {
      if (nowMs < wound.dueMs) continue;
      this.#mend(file, wound, nowMs);
      return;
    }
  }

  stop(): void {
    this.#mender?.close();
    this.#mender = null;
    this.#others.close();
  }

  #handOver(nowMs: number): void {
    const { core, event } = this.#parts;
    this.#nextHandOverMs = nowMs + HAND_OVER_MS;
    const result = core.transferLeadership(null);
    const why = 'a part of the log is damaged here';
    if (result.ok) {
      this.#handOvers += 1;
      const text = `${why}: handing leadership to ${result.target}`;
      event('warn', 'rotten-leader', text, { target: result.target });
    } else {
      const text = `${why}, and nobody else can lead (${result.refusal})`;
      event('warn', 'rotten-leader-stays', text, { refusal: result.refusal });
    }
  }

  #mend(file: string, wound: Wound, beganMs: number): void {
    const { wal, disk, clock, mutations, enter } = this.#parts;
    const outline = wal.outline(file);
    if (outline === null) {
      // Trimmed meanwhile.
      this.#heal(file);
      return;
    }
    const source: EntrySource = { fetch: (...request) => this.#fetch(...request) };
    const mender = new SegmentMender(disk, outline, source, mutations);
    this.#mender = mender;
    mender.run((error, report) => {
      enter();
      if (this.#mender !== mender) return;
      this.#mender = null;
      // Trimmed meanwhile, it is no part of the log any more, and may be gone.
      const failure = wal.outline(file) === null ? null : error;
      if (failure !== null && failure.operation !== 'read') {
        this.#parts.onFailure(failure);
        return;
      }
      // What cannot be read is not mended, and nothing was lost by trying.
      const nowhere = { file, position: 0, firstIndex: null, lastIndex: null, what: 'it cannot be read' };
      const left = failure === null ? report.left : { ...nowhere, why: failure.message };
      this.#report(file, wound, { ...report, left }, clock.monotonicMs() - beganMs);
    });
  }

  #report(file: string, wound: Wound, { mended, left }: MendingReport, tookMs: number): void {
    const { event, clock } = this.#parts;
    for (const damage of mended) {
      mark('node.rot-repaired');
      this.#repaired += 1;
      event(...repairedNews(damage, tookMs));
    }
    if (left === null) {
      if (mended.length === 0)
        event('info', 'rot-gone', `what did not verify in ${file} does now, and nothing was changed`, {
          file,
        });
      this.#heal(file);
      this.#parts.onRepaired();
      return;
    }
    wound.dueMs = clock.monotonicMs() + wound.retryMs;
    wound.retryMs = Math.min(RETRY_MS_MAX, 2 * wound.retryMs);
    if (wound.told !== left.why) {
      wound.told = left.why;
      mark('node.rot-unrepaired');
      event(...unrepairedNews(left, ', and serving none of it'));
    }
    if (mended.length > 0) this.#parts.onRepaired();
  }

  #heal(file: string): void {
    this.#wounds.delete(file);
    for (const place of this.#told) if (place.startsWith(`${file}:`)) this.#told.delete(place);
  }

  /** What is still in memory need not be asked for. */
  #fetch(...[first, last, previousChecksum, done]: Parameters<EntrySource['fetch']>): void {
    const { core, clock, enter } = this.#parts;
    const isWithin = first >= core.firstIndex && last <= core.durableIndex;
    const cached = isWithin ? core.cachedEntries(first, last, MEMORY_BYTES_MAX) : null;
    const [begin] = cached ?? [];
    const isWhole = cached !== null && cached.length === last - first + 1;
    const follows =
      previousChecksum === null ||
      (begin !== undefined && entryHeaderFollows(begin.bytes, 0, previousChecksum));
    if (isWhole && follows) {
      clock.defer(() => {
        enter();
        done(cached);
      });
    } else this.#others.fetch(first, last, previousChecksum, done);
  }
}
