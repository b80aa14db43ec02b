import { decodeConfiguration } from '../../../src/base/configuration.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { type Entry, entryBody, EntryKind } from '../../../src/base/entry.ts';
import { type LogIndex, logIndex, NO_TERM } from '../../../src/base/units.ts';
import type { Recovered } from '../../../src/raft/options.ts';
import type { HardState, Ready } from '../../../src/raft/ready.ts';
import { termRunsOf } from './logs.ts';

/** A breach of the contract or of a property of the paper, seen from outside of the core. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

export function must(condition: boolean, message: () => string): void {
  if (!condition) throw new Breach(message());
}

/**
 * What one node has on its disk, as plain values: what is durable, and what was asked for since, in order. It judges
 * what it is asked to write: a vote never changes within a term, entries are consecutive and chained.
 */
export class TestDisk {
  durableHardState: HardState = { term: NO_TERM, votedFor: null };
  durableLog: Entry[] = [];
  /** Everything written so far, durable or not: what a reader of the files sees. */
  writtenHardState: HardState = this.durableHardState;
  writtenLog: Entry[] = [];
  /**
   * Last entry that is not kept any more. It and those before it stay in the logs above, for who judges them; a node gets
   * none of them to see.
   */
  base = 0;
  /** Last known commit index that a restart may be told about. */
  commitHint = 0;
  #pending: Ready[] = [];

  /** @param base index of the last entry that is not kept any more. */
  static holding(log: readonly Entry[], hardState: HardState, base = 0): TestDisk {
    const disk = new TestDisk();
    disk.durableHardState = hardState;
    disk.base = base;
    disk.durableLog = [...log];
    disk.#forgetUnsynced();
    return disk;
  }

  get pendingWrites(): number {
    return this.#pending.length;
  }

  write(ready: Ready): void {
    if (ready.hardState !== null) {
      const { term, votedFor } = this.writtenHardState;
      const next = ready.hardState;
      must(next.term >= term, () => `term goes back from ${term} to ${next.term}`);
      must(
        next.term > term || votedFor === null || votedFor === next.votedFor,
        () => `vote of term ${term} changes from ${votedFor} to ${next.votedFor}`,
      );
    }
    const asks = ready.hardState !== null || ready.truncateFrom !== null || ready.entries.length > 0;
    must(ready.mustPersist || !asks, () => `Ready ${ready.number} writes and says that it does not`);
    if (!asks && !ready.mustPersist) return;
    this.writtenHardState = ready.hardState ?? this.writtenHardState;
    this.#apply(this.writtenLog, ready);
    this.#pending.push(ready);
  }

  /** Makes the oldest `count` pending writes durable. @returns the number of the last one, for `persisted()`. */
  sync(count: number = this.#pending.length): number | null {
    let last: number | null = null;
    for (const ready of this.#pending.splice(0, count)) {
      this.durableHardState = ready.hardState ?? this.durableHardState;
      this.#apply(this.durableLog, ready);
      last = ready.number;
    }
    return last;
  }

  /**
   * The power goes. Of the pending writes `survivors` happen to have reached the platter although nobody was told; of the one
   * after those, the hard state and the first `tornEntries` entries.
   */
  crash(survivors = 0, tornEntries = 0): void {
    this.sync(survivors);
    const torn = this.#pending[0];
    if (torn !== undefined && tornEntries > 0) {
      this.durableHardState = torn.hardState ?? this.durableHardState;
      this.#apply(this.durableLog, { ...torn, entries: torn.entries.slice(0, tornEntries) });
    }
    this.#forgetUnsynced();
  }

  /** What a starting node finds. `tailEntriesMax`: how many of the newest entries come along in memory. */
  recovered(tailEntriesMax = Number.POSITIVE_INFINITY): Recovered {
    const log = this.durableLog;
    const { base } = this;
    const commitIndex = logIndex(Math.max(base, Math.min(this.commitHint, log.length)));
    const configurations = log.filter((entry) => entry.kind === EntryKind.configuration);
    const committed = configurations.findLast((entry) => entry.index <= commitIndex);
    return {
      hardState: this.durableHardState,
      hardStateTrusted: true,
      firstIndex: logIndex(base + 1),
      lastIndex: logIndex(log.length),
      termRuns: termRunsOf(log.slice(Math.max(0, base - 1))),
      lastChecksum: log.at(-1)?.checksum ?? 0,
      lastTimeMs: 0,
      tail: log.slice(Math.max(base, log.length - tailEntriesMax)),
      commitIndex,
      configuration:
        committed === undefined
          ? null
          : { index: committed.index, value: decodeConfiguration(entryBody(committed)) },
      belongsToCluster: false,
      laterConfigurations: configurations.filter((entry) => entry.index > (committed?.index ?? 0)),
    };
  }

  /** Entries from `first` on, as the log's files hold them, and the checksum before. */
  read(first: LogIndex, entriesMax: number): { entries: Entry[]; previousChecksum: number } {
    if (first <= this.base) return { entries: [], previousChecksum: 0 };
    return {
      entries: this.writtenLog.slice(first - 1, first - 1 + entriesMax),
      previousChecksum: this.writtenLog[first - 2]?.checksum ?? 0,
    };
  }

  /** The log begins behind this index now; a checkpoint has what came before. */
  trimTo(index: number): void {
    this.base = index;
    this.commitHint = Math.max(this.commitHint, index);
  }

  /** The log begins anew behind a snapshot, which stands for these entries. */
  install(entries: readonly Entry[]): void {
    this.sync();
    this.durableLog = [...entries];
    this.#forgetUnsynced();
    this.trimTo(entries.length);
  }

  #forgetUnsynced(): void {
    this.#pending = [];
    this.writtenHardState = this.durableHardState;
    this.writtenLog = [...this.durableLog];
  }

  #apply(log: Entry[], { truncateFrom, entries }: Pick<Ready, 'truncateFrom' | 'entries'>): void {
    if (truncateFrom !== null) {
      must(
        truncateFrom > this.base && truncateFrom <= log.length,
        () => `truncation from ${truncateFrom} of entries ${this.base + 1} to ${log.length}`,
      );
      log.length = truncateFrom - 1;
    }
    for (const entry of entries) {
      must(
        entry.index === log.length + 1,
        () => `entry ${entry.index} is written after ${log.length} entries`,
      );
      const computed = crc32(entry.bytes.subarray(0, 60), log.at(-1)?.checksum ?? 0);
      must(computed === entry.checksum, () => `entry ${entry.index} does not chain to the one before`);
      log.push(entry);
    }
  }
}
