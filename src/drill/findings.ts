import type { CheckResult } from '../check/index.ts';
import type { SeenEvent, SeenLeader } from './cluster-view.ts';
import type { FaultRecord } from './faults.ts';
import type { JournalCounts } from './journal.ts';
import type { Measurements } from './measurements.ts';
import type { Death } from './stage.ts';

/** Everything that expectations are held against. */
export interface Findings {
  readonly counts: JournalCounts;
  readonly check: CheckResult;
  /** Between the nodes' logs. */
  readonly differences: readonly string[];
  readonly missing: readonly string[];
  readonly duplicated: readonly string[];
  readonly measurements: Measurements;
  readonly faults: readonly FaultRecord[];
  readonly leaders: readonly SeenLeader[];
  readonly events: readonly SeenEvent[];
  readonly regressions: readonly string[];
  readonly deaths: readonly Death[];
  /** When the load began to be counted, and the term then. */
  readonly steadyMs: number;
  readonly steadyTerm: number;
  /** The highest that anybody knew at the end. */
  readonly finalTerm: number;
  readonly endMs: number;
}

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** When something was broken, by faults of the steps that are meant. */
export function faultWindows(
  { faults, endMs }: Findings,
  isMeant: (step: string) => boolean = () => true,
): Window[] {
  return faults
    .filter(({ step }) => isMeant(step))
    .map(({ appliedMs, healedMs }) => ({ fromMs: appliedMs, toMs: healedMs ?? endMs }));
}

export function overlaps(one: Window, other: Window): boolean {
  return one.fromMs <= other.toMs && other.fromMs <= one.toMs;
}
