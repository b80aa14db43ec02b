import { decodeConfiguration, type Configuration } from '../../../../src/base/configuration.ts';
import { entryBody, EntryKind, type Entry } from '../../../../src/base/entry.ts';
import type { LogIndex, Term } from '../../../../src/base/units.ts';
import type { HardState, LogRead, Ready, Recovered, TermRun } from '../../../../src/raft/index.ts';

/** What a snapshot says of the log before it: its last entry, and the configuration that was committed by then. */
export interface ScenarioBase {
  readonly index: LogIndex;
  readonly term: Term;
  readonly checksum: number;
  readonly configuration: { readonly index: LogIndex; readonly value: Configuration } | null;
}

const NO_BASE: ScenarioBase = { index: 0 as LogIndex, term: 0 as Term, checksum: 0, configuration: null };

/** One node's disk: what is durable, and the Readys that are being written. */
export class ScenarioDisk {
  hardState: HardState = { term: 0 as Term, votedFor: null };
  hardStateTrusted = true;
  /** What is not kept any more. */
  base = NO_BASE;
  /** Behind the base. */
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
      if (ready.truncateFrom !== null) this.entries.length = ready.truncateFrom - 1 - this.base.index;
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
    this.base = NO_BASE;
    this.hardState = { term: 0 as Term, votedFor: null };
    this.hardStateTrusted = true;
    this.commitHint = 0;
  }

  /** The log up to `index` goes; a snapshot has what it meant. */
  trim(index: number): void {
    const entry = this.entries.find((one) => one.index === index);
    if (entry === undefined) throw new Error(`there is no entry ${index}`);
    const dropped = this.entries.filter((one) => one.index <= index);
    const configuration = dropped.findLast((one) => one.kind === EntryKind.configuration);
    this.base = {
      index: entry.index,
      term: entry.term,
      checksum: entry.checksum,
      configuration:
        configuration === undefined
          ? this.base.configuration
          : { index: configuration.index, value: decodeConfiguration(entryBody(configuration)) },
    };
    this.entries = this.entries.slice(dropped.length);
    this.commitHint = Math.max(this.commitHint, index);
  }

  /** The log begins anew behind a snapshot. */
  install(base: ScenarioBase): void {
    this.crash();
    this.base = base;
    this.entries = [];
    this.commitHint = base.index;
  }

  recover(tailEntries: number): Recovered {
    const { entries, base } = this;
    const last = entries.at(-1);
    const configurations = entries.filter((entry) => entry.kind === EntryKind.configuration);
    const committed = configurations.findLast((entry) => entry.index <= this.commitHint) ?? null;
    return {
      hardState: this.hardState,
      hardStateTrusted: this.hardStateTrusted,
      firstIndex: (base.index + 1) as LogIndex,
      lastIndex: (base.index + entries.length) as LogIndex,
      termRuns: termRuns(base, entries),
      lastChecksum: last?.checksum ?? base.checksum,
      lastTimeMs: 0,
      tail: tailEntries === 0 ? [] : entries.slice(-tailEntries),
      commitIndex: this.commitHint as LogIndex,
      configuration:
        committed === null
          ? base.configuration
          : { index: committed.index, value: decodeConfiguration(entryBody(committed)) },
      belongsToCluster: false,
      laterConfigurations: configurations.filter((entry) => entry.index > this.commitHint),
    };
  }

  read({ firstIndex, entriesMax, bytesMax }: LogRead): { entries: Entry[]; prevChecksum: number } {
    const entries: Entry[] = [];
    let bytes = 0;
    const at = firstIndex - 1 - this.base.index;
    for (const entry of this.entries.slice(at, at + entriesMax)) {
      bytes += entry.bytes.length;
      if (bytes > bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return { entries, prevChecksum: this.entries[at - 1]?.checksum ?? this.base.checksum };
  }
}

export function termRuns(base: ScenarioBase, entries: readonly Entry[]): TermRun[] {
  const runs: TermRun[] = base.index === 0 ? [] : [{ firstIndex: base.index, term: base.term }];
  for (const { index, term } of entries)
    if (runs.at(-1)?.term !== term) runs.push({ firstIndex: index, term });
  return runs;
}
