import type { PartitionShape } from './partitions.ts';
import type { Comparison } from './quantities.ts';

// A drill after its script was read: durations in milliseconds, sizes in bytes, rates a second.

export interface PartitionPlan {
  readonly shape: PartitionShape;
  /** Who stands at the place that matters. Default: the first by name. */
  readonly first: string | null;
}

/** What is to be broken, with names that are resolved when it is its turn. */
export type FaultPlan =
  | { readonly kind: 'kill'; readonly nodes: string; readonly signal: 'SIGKILL' | 'SIGTERM' }
  | { readonly kind: 'pause' | 'wipe' | 'flip'; readonly nodes: string }
  | { readonly kind: 'stall' | 'diskError' | 'diskFull'; readonly nodes: string }
  /** The time of day. */
  | { readonly kind: 'clock'; readonly nodes: string; readonly offsetMs: number }
  | { readonly kind: 'disk'; readonly nodes: string; readonly delayMs: number; readonly jitterMs: number }
  | {
      readonly kind: 'drop';
      readonly from: string;
      readonly to: string;
      readonly bothWays: boolean;
      readonly mode: 'blackhole' | 'reset' | 'refuse';
      /** 0 to 1. */
      readonly share: number;
    }
  | {
      readonly kind: 'delay';
      readonly from: string;
      readonly to: string;
      readonly bothWays: boolean;
      readonly delayMs: number;
      readonly jitterMs: number;
    }
  | {
      readonly kind: 'throttle';
      readonly from: string;
      readonly to: string;
      readonly bothWays: boolean;
      readonly bytesPerSecond: number;
    }
  | { readonly kind: 'partition'; readonly partition: PartitionPlan };

/** Until this is so. */
export interface WaitPlan {
  /** Who leads: anybody; another than who led when the last fault was made; or who is selected. */
  readonly leader: string | null;
  readonly node: string | null;
  /** `down` cannot be reached; the process of what is `gone` has ended, which only a drill with its own nodes can tell. */
  readonly role: 'leader' | 'follower' | 'candidate' | 'down' | 'up' | 'gone' | null;
  readonly lag: Comparison | null;
  /** Acknowledgements since the step began. */
  readonly acked: Comparison | null;
}

interface StepBase {
  readonly name: string;
  readonly timeoutMs: number;
  readonly repeat: number;
  /** From one repetition to the next. */
  readonly everyMs: number;
  /** What belongs to it: done behind it, after each repetition. */
  readonly next: readonly Step[];
}

export type Step = StepBase &
  (
    | { readonly kind: 'fault'; readonly fault: FaultPlan; readonly ttlMs: number }
    /** `all`, or the name of the step whose faults are meant. */
    | { readonly kind: 'heal'; readonly what: string }
    | { readonly kind: 'wait'; readonly wait: WaitPlan }
    | { readonly kind: 'sleep'; readonly ms: number }
    | { readonly kind: 'restart'; readonly nodes: string; readonly graceMs: number }
    | {
        readonly kind: 'transferLeader';
        readonly to: string | null;
        /** Only where this one leads. */
        readonly from: string | null;
      }
    | {
        readonly kind: 'forEach';
        readonly variable: string;
        readonly among: readonly string[];
        readonly steps: readonly Step[];
      }
  );

export type Invariant = 'one-leader-per-term' | 'log-matching' | 'commit-monotonic';

export const METRICS = {
  'acked.total': 'count',
  'acked.missing': 'count',
  'acked.duplicates': 'count',
  'acked.reordered': 'count',
  'unknown.count': 'count',
  'failed.count': 'count',
  'unavailability.longest': 'ms',
  'unavailability.total': 'ms',
  'elections.count': 'count',
  'terms.max': 'count',
  'nodes.died': 'count',
  'ack.p50': 'ms',
  'ack.p99': 'ms',
  'ack.max': 'ms',
} as const;

export type Metric = keyof typeof METRICS;

export interface Expectation {
  readonly id: string;
  readonly severity: 'error' | 'warn';
  readonly note: string | null;
  /** Of the time of the drill; only for what is measured over time. */
  readonly during: 'all' | 'on-fault' | 'off-fault';
  /** Steps whose faults excuse it. */
  readonly except: readonly string[];
  readonly what:
    | { readonly kind: 'metric'; readonly metric: Metric; readonly comparison: Comparison }
    | { readonly kind: 'history' }
    | { readonly kind: 'logs' }
    | { readonly kind: 'invariants'; readonly invariants: readonly Invariant[] }
    | { readonly kind: 'event'; readonly text: string };
}

export interface SteadyPlan {
  /** For so long, before anything is broken. */
  readonly forMs: number;
  readonly leaderStable: boolean;
  /** Of all answers, those that were none. */
  readonly errorRate: Comparison | null;
  readonly lag: Comparison | null;
}

export interface Abort {
  readonly metric: 'disk.used' | 'unavailability';
  readonly comparison: Comparison;
}

/** A drill as it is to be run. */
export interface Drill {
  readonly name: string;
  readonly hypothesis: string;
  readonly cluster: {
    readonly nodes: number;
    readonly profile: 'lan' | 'wan';
    /** Of a log segment; null: as nodes do by themselves. */
    readonly segmentMib: number | null;
    /** So much of the log is kept; null: all of it that is younger than nodes keep by themselves. */
    readonly retentionMib: number | null;
    readonly unsafeMutations: readonly string[];
  };
  /** Null: another one each time. */
  readonly seed: number | null;
  readonly load: {
    readonly producers: number;
    /** A second; null: closed loop, as fast as answers come. */
    readonly rate: number | null;
    readonly inFlight: number;
    readonly sizeBytes: number;
    readonly consumers: number;
    readonly reads: 'linearizable' | 'committed';
    readonly timeoutMs: number;
    /** Share of the rate that must be acknowledged while nothing is broken. */
    readonly floor: number;
  };
  readonly steady: SteadyPlan;
  readonly steps: readonly Step[];
  readonly expect: readonly Expectation[];
  readonly abort: Abort | null;
  /** Expectations that must fail, because a protection is off: that shows that they can. */
  readonly mustFail: readonly string[];
}
