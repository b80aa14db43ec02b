import { decodeConfiguration } from '../../../../src/base/configuration.ts';
import { entryBody, EntryKind, type Entry } from '../../../../src/base/entry.ts';
import type { LogIndex, Term } from '../../../../src/base/units.ts';
import type { HardState, LogRead, Ready, Recovered, TermRun } from '../../../../src/raft/index.ts';

/** One node's disk: what is durable, and the Readys that are being written. */
export class ScenarioDisk {
  hardState: HardState = { term: 0 as Term, votedFor: null };
  hardStateTrusted = true;
  entries: Entry[] = [];
  commitHint = 0;
  readonly pending: Ready[] = [];

  write(ready: Ready): void {
    if (ready.mustPersist) this.pending.push(ready);
  }

  /** Makes the oldest pending writes durable. @returns the number of the last, or null. */
  sync(count: number): number | null {
    let number: number | null = null;
    for (const ready of this.pending.splice(0, count)) {
      if (ready.hardState !== null) this.hardState = ready.hardState;
      if (ready.truncateFrom !== null) this.entries.length = ready.truncateFrom - 1;
      this.entries.push(...ready.entries);
      number = ready.number;
    }
    return number;
  }

  /** The process dies: what was not synced is gone. */
  crash(): void {
    this.pending.length = 0;
  }

  wipe(): void {
    this.crash();
    this.entries = [];
    this.hardState = { term: 0 as Term, votedFor: null };
    this.hardStateTrusted = true;
    this.commitHint = 0;
  }

  recover(tailEntries: number): Recovered {
    const { entries } = this;
    const last = entries.at(-1);
    const configurations = entries.filter((entry) => entry.kind === EntryKind.configuration);
    const committed = configurations.findLast((entry) => entry.index <= this.commitHint) ?? null;
    return {
      hardState: this.hardState,
      hardStateTrusted: this.hardStateTrusted,
      firstIndex: 1 as LogIndex,
      lastIndex: entries.length as LogIndex,
      termRuns: termRuns(entries),
      lastChecksum: last?.checksum ?? 0,
      tail: tailEntries === 0 ? [] : entries.slice(-tailEntries),
      commitIndex: this.commitHint as LogIndex,
      configuration:
        committed === null
          ? null
          : { index: committed.index, value: decodeConfiguration(entryBody(committed)) },
      belongsToCluster: false,
      laterConfigurations: configurations.filter((entry) => entry.index > this.commitHint),
    };
  }

  read({ firstIndex, entriesMax, bytesMax }: LogRead): { entries: Entry[]; prevChecksum: number } {
    const entries: Entry[] = [];
    let bytes = 0;
    for (const entry of this.entries.slice(firstIndex - 1, firstIndex - 1 + entriesMax)) {
      bytes += entry.bytes.length;
      if (bytes > bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return { entries, prevChecksum: this.entries[firstIndex - 2]?.checksum ?? 0 };
  }
}

export function termRuns(entries: readonly Entry[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const { index, term } of entries)
    if (runs.at(-1)?.term !== term) runs.push({ firstIndex: index, term });
  return runs;
}
