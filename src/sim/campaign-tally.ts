import { GUARDS, MARK_NAMES, type Mark } from '../base/marks.ts';
import { FAULT_KINDS, type FaultKind } from './scenario.ts';
import type { Failure, SimulationResult } from './simulation.ts';

/** What a campaign keeps of one seed: plain data, so that it can come from another process. */
export interface SeedOutcome {
  readonly seed: number;
  readonly failures: readonly Failure[];
  readonly hash: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly recordsRead: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  readonly marks: Readonly<Record<Mark, number>>;
}

export function outcomeOf(seed: number, result: SimulationResult): SeedOutcome {
  const { failures, hash, simulatedMs, events, operations, faults, marks, check } = result;
  const { acknowledged = 0, unknown = 0, recordsRead = 0 } = check ?? {};
  return {
    seed,
    failures,
    hash,
    simulatedMs,
    events,
    operations,
    acknowledged,
    unknown,
    recordsRead,
    faults,
    marks,
  };
}

/** What a campaign adds up. */
export class CampaignTally {
  readonly faults: Record<FaultKind, number> = zeros(FAULT_KINDS);
  readonly marks: Record<Mark, number> = zeros(MARK_NAMES);
  readonly failed: { readonly seed: number; readonly rules: readonly string[] }[] = [];
  seeds = 0;
  simulatedMs = 0;
  events = 0;
  operations = 0;
  acknowledged = 0;
  unknown = 0;
  recordsRead = 0;

  add(outcome: SeedOutcome): void {
    this.seeds += 1;
    for (const key of SUMS) this[key] += outcome[key];
    for (const kind of FAULT_KINDS) this.faults[kind] += outcome.faults[kind];
    for (const name of MARK_NAMES) this.marks[name] += outcome.marks[name];
    if (outcome.failures.length === 0) return;
    this.failed.push({ seed: outcome.seed, rules: [...new Set(outcome.failures.map(({ rule }) => rule))] });
  }

  /** Rare paths that no seed took, without those that nothing is to take. */
  get missed(): Mark[] {
    return MARK_NAMES.filter((name) => this.marks[name] === 0 && !GUARDS.has(name));
  }
}

const SUMS = ['simulatedMs', 'events', 'operations', 'acknowledged', 'unknown', 'recordsRead'] as const;

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}
