/** Everything that a drill did, saw and judged. All times are milliseconds since it began. */
export interface Journal {
  readonly schemaVersion: 1;
  readonly drill: {
    readonly name: string;
    readonly hypothesis: string;
    /** Expectations that must fail, because the protection is off; empty where all must hold. */
    readonly mustFail: readonly string[];
    /** Wrong behaviours that were switched on for it. */
    readonly unsafeMutations: readonly string[];
  };
  readonly seed: number;
  /** Of this program, and of the nodes, by id. */
  readonly versions: Readonly<Record<string, string>>;
  readonly host: { readonly platform: string; readonly cpus: number; readonly node: string };
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** Whether the cluster was the drill's own. */
  readonly ownCluster: boolean;
  readonly nodes: readonly string[];
  readonly steps: readonly JournalStep[];
  readonly faults: readonly JournalFault[];
  readonly roles: readonly JournalRole[];
  readonly events: readonly JournalEvent[];
  readonly series: readonly JournalInterval[];
  /** Stretches without an acknowledgement. */
  readonly gaps: readonly JournalGap[];
  readonly counts: JournalCounts;
  readonly expectations: readonly JournalExpectation[];
  readonly verdict: JournalVerdict;
  /** Why, for people; the first is the most important. */
  readonly reasons: readonly string[];
  /** Faults that could not be mended and may remain until their time runs out. */
  readonly unhealed: readonly string[];
  /** The command that does it again. */
  readonly reproduce: string;
  /** Files beside the journal: the history, the nodes' own logs. */
  readonly files: readonly string[];
}

/**
 * - `pass`: all that was expected is so.
 * - `fail`: the cluster did not do what was expected of it.
 * - `aborted`: somebody or something ended the drill before it could tell.
 * - `inconclusive`: the drill did not do to the cluster what it should have: a fault that did not take hold, too little load.
 */
export type JournalVerdict = 'pass' | 'fail' | 'aborted' | 'inconclusive';

export interface JournalStep {
  readonly name: string;
  readonly kind: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly ok: boolean;
  /** What it did, or why it failed. */
  readonly text: string;
}

export interface JournalFault {
  readonly id: string;
  readonly step: string;
  /** In words. */
  readonly spec: string;
  readonly node: string;
  readonly appliedMs: number;
  readonly healedMs: number | null;
  readonly proof: { readonly affected: number; readonly how: string } | null;
}

export interface JournalRole {
  readonly atMs: number;
  readonly node: string;
  readonly role: 'leader' | 'follower' | 'candidate' | 'preCandidate' | 'learner' | 'down';
  readonly term: number;
}

export interface JournalEvent {
  readonly atMs: number;
  readonly node: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly code: string;
  readonly text: string;
}

export interface JournalInterval {
  readonly atMs: number;
  readonly intervalMs: number;
  readonly offered: number;
  readonly acked: number;
  readonly failed: number;
  /** Of acknowledgements in this interval, from the intended start; null where there was none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface JournalGap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly label: string;
}

export interface JournalCounts {
  readonly acked: number;
  readonly unknown: number;
  readonly failed: number;
  /** Acknowledged, and not where it should be at the end. */
  readonly missing: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Of unknown outcome, and stored after all. */
  readonly unknownStored: number;
}

export interface JournalExpectation {
  readonly id: string;
  /** What was expected, in words. */
  readonly text: string;
  readonly severity: 'error' | 'warn';
  readonly observed: string;
  readonly limit: string;
  readonly ok: boolean;
  /** What shows it: records, indexes, moments. */
  readonly evidence: readonly string[];
}
