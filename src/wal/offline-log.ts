import type { Entry } from '../base/entry.ts';
import type { Disk } from '../base/ports/disk.ts';
import { indexPlus, NO_INDEX, type LogIndex } from '../base/units.ts';
import { WalRotError, type RotPlace } from './errors.ts';
import type { Identity } from './identity.ts';
import { LogReader } from './log-reader.ts';
import { salvageable } from './salvage.ts';
import { SegmentFiles } from './segment-files.ts';
import type { Segment } from './segment.ts';
import { walkLog, type WalkedLog } from './walk.ts';

const READ_BYTES_MAX: number = 1024 * 1024;

/**
 * A log as it stands, read without a node: in the order of its indexes, without what was truncated from it, and as far as
 * everything verifies. Never writes and takes no lock.
 */
export class OfflineLog {
  readonly identity: Identity;
  /** Why it ends before its end; null if all of it verifies. */
  readonly damage: (RotPlace & { readonly what: string }) | null;
  /** What follows it is not known to be committed: it may be, or may yet be truncated. */
  readonly commitHint: LogIndex;
  readonly #map: WalkedLog['map'];
  readonly #files: SegmentFiles;
  readonly #reader: LogReader;
  /** Of the block that is damaged: what comes before the damage. */
  readonly #salvaged: readonly Entry[];

  /** Reads all of it once, to find its end. @throws DirectoryRefusedError if it is no data directory; DiskError */
  constructor(disk: Disk, directory: string) {
    const walked = walkLog(disk, directory);
    const { damage, last } = walkThrough(walked);
    this.damage = damage;
    this.#salvaged = damage === null || last === null ? [] : salvageable(disk, last, walked.map);
    this.identity = walked.identity;
    this.#map = walked.map;
    this.commitHint = Math.min(walked.watermark?.commitHint ?? NO_INDEX, walked.map.lastIndex) as LogIndex;
    this.#files = new SegmentFiles(disk);
    this.#reader = new LogReader(walked.map, this.#files);
  }

  /** lastIndex + 1 if there is nothing. */
  get firstIndex(): LogIndex {
    return this.#map.firstIndex;
  }

  get lastIndex(): LogIndex {
    return indexPlus(this.#map.lastIndex, this.#salvaged.length);
  }

  /** Every one, verified again as it is read: memory does not grow with their number. @throws WalRotError, DiskError */
  *entries(first: LogIndex, last: LogIndex): Generator<Entry, void> {
    let next = first;
    const lastWhole = Math.min(last, this.#map.lastIndex);
    while (next <= lastWhole) {
      const entriesMax = lastWhole - next + 1;
      const { entries } = this.#reader.readSync({ first: next, entriesMax, bytesMax: READ_BYTES_MAX });
      yield* entries;
      next = indexPlus(next, entries.length);
    }
    yield* this.#salvaged.filter(({ index }) => index >= first && index <= last);
  }

  /** Those that name the members of the cluster, ascending. */
  configurationEntries(): Entry[] {
    return this.#map.configurations.flatMap((index) => [...this.entries(index, index)]);
  }

  close(): void {
    this.#files.closeAll();
  }
}

function walkThrough(walked: WalkedLog): {
  readonly damage: OfflineLog['damage'];
  readonly last: Segment | null;
} {
  let last: Segment | null = null;
  try {
    for (const { segment } of walked.items()) last = segment;
    return { damage: null, last };
  } catch (error) {
    if (!(error instanceof WalRotError)) throw error;
    return { damage: { ...error.place, what: error.what }, last };
  }
}
