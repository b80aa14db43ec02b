import { z } from 'zod';
import { MUTATION_NAMES } from '../base/mutations.ts';
import {
  METRICS,
  type Drill,
  type Expectation,
  type FaultPlan,
  type Metric,
  type Step,
  type WaitPlan,
} from './drill.ts';
import {
  BYTE_RATE,
  COMPARISON,
  DURATION,
  OFFSET,
  RATE,
  SHARE,
  SIZE,
  parseComparison,
  type Comparison,
} from './quantities.ts';

// What a drill script may say, and what becomes of it. Each object refuses keys that it does not know.

/** All keys that some object of a script may have. */
export const KNOWN_KEYS: Set<string> = new Set();

/** A very bad line. */
const DEFAULT_BYTES_PER_SECOND = 16 * 1024;
const DEFAULT_TTL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 30_000;

const SELECTOR = z
  .string()
  .regex(
    /^(@(leader|old-leader|followers|follower|most-up-to-date|struck|any|all)|\$[a-z]+|[a-z][a-z0-9-]*)$/,
    'this is no node, no @selector and no $name',
  );
const ENDS = z.tuple([SELECTOR, SELECTOR]);

const LINK = strict({
  from: SELECTOR.optional(),
  to: SELECTOR.optional(),
  between: ENDS.optional(),
}).transform(({ from, to, between }, context) => {
  if (between !== undefined && from === undefined && to === undefined)
    return { from: between[0], to: between[1], bothWays: true };
  if (between === undefined && from !== undefined && to !== undefined) return { from, to, bothWays: false };
  context.addIssue({ code: 'custom', message: 'give either from and to, or between' });
  return z.NEVER;
});

const FAULT_KEYS = [
  'kill',
  'pause',
  'stall',
  'wipe',
  'flip',
  'drop',
  'delay',
  'partition',
  'disk',
  'diskError',
  'diskFull',
  'clock',
  'throttle',
] as const;

const RAW_FAULT = strict({
  kill: SELECTOR.optional(),
  signal: z.enum(['SIGKILL', 'SIGTERM']).default('SIGKILL'),
  pause: SELECTOR.optional(),
  stall: SELECTOR.optional(),
  wipe: SELECTOR.optional(),
  flip: SELECTOR.optional(),
  drop: LINK.optional(),
  mode: z.enum(['blackhole', 'reset', 'refuse']).default('blackhole'),
  loss: SHARE.default(1),
  delay: LINK.optional(),
  by: DURATION.default(0),
  partition: z.enum(['isolate', 'halves', 'bridge', 'ring', 'chain', 'one-way']).optional(),
  first: SELECTOR.optional(),
  disk: SELECTOR.optional(),
  fsyncDelay: DURATION.default(0),
  diskError: SELECTOR.optional(),
  diskFull: SELECTOR.optional(),
  clock: SELECTOR.optional(),
  throttle: LINK.optional(),
  rate: BYTE_RATE.optional(),
  offset: OFFSET.optional(),
  jitter: DURATION.default(0),
  ttl: DURATION.default(DEFAULT_TTL_MS),
});

const FAULT = RAW_FAULT.superRefine((fault, context) => exactlyOne(fault, FAULT_KEYS, context)).transform(
  (fault) => ({ plan: faultPlan(fault), ttlMs: fault.ttl }),
);

const WAIT = strict({
  leader: z
    .union([z.enum(['any', 'other']), SELECTOR], 'any, other, or who')
    .nullable()
    .default(null),
  node: SELECTOR.nullable().default(null),
  role: z.enum(['leader', 'follower', 'candidate', 'down', 'up', 'gone']).nullable().default(null),
  lag: COMPARISON.nullable().default(null),
  acked: COMPARISON.nullable().default(null),
}).transform((wait): WaitPlan => wait);

const TRANSFER = strict({
  to: SELECTOR.nullable().default(null),
  if: z
    .string()
    .regex(/^node == @leader$/, 'only "node == @leader" is understood here')
    .optional(),
});

const STEP_KEYS = ['fault', 'heal', 'wait', 'sleep', 'restart', 'transferLeader', 'forEach'] as const;

/** A step within a step. */
const NESTED: z.ZodType<Step, unknown> = z.lazy((): z.ZodType<Step, unknown> => STEP);

const RAW_STEP = strict({
  name: z.string().min(1).optional(),
  fault: FAULT.optional(),
  heal: z.string().optional(),
  wait: WAIT.optional(),
  sleep: DURATION.optional(),
  restart: SELECTOR.optional(),
  grace: DURATION.default(5000),
  transferLeader: TRANSFER.optional(),
  forEach: z.record(z.string().regex(/^[a-z]+$/), z.array(SELECTOR).min(1)).optional(),
  do: z.array(NESTED).default([]),
  timeout: DURATION.default(DEFAULT_TIMEOUT_MS),
  repeat: z.number().int().min(1).max(10_000).default(1),
  every: DURATION.default(0),
  // oxlint-disable-next-line unicorn/no-thenable -- it is the word of scripts, and nobody awaits one
  then: z.union([NESTED.transform((step) => [step]), z.array(NESTED)]).default([]),
});

const STEP: z.ZodType<Step, unknown> = RAW_STEP.superRefine((step, context) => {
  exactlyOne(step, STEP_KEYS, context);
  if ((step.forEach === undefined) !== (step.do.length === 0))
    context.addIssue({ code: 'custom', message: 'forEach and do go together' });
}).transform(stepOf);

const EXPECTATION_KEYS = [...Object.keys(METRICS), 'history', 'logs', 'invariants', 'events.contains'];

const EXPECTATION = strict({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower case, digits and dashes'),
  ...metricKeys(),
  history: z.literal('linearizable').optional(),
  logs: z.literal('identical').optional(),
  invariants: z
    .array(z.enum(['one-leader-per-term', 'log-matching', 'commit-monotonic']))
    .min(1)
    .optional(),
  'events.contains': z.string().min(1).optional(),
  during: z.enum(['all', 'on-fault', 'off-fault']).default('all'),
  except: z.array(z.string()).default([]),
  severity: z.enum(['error', 'warn']).default('error'),
  note: z.string().nullable().default(null),
}).transform((expectation, context): Expectation[] => {
  const { id, severity, note, during, except, history, logs, invariants } = expectation;
  const what: Expectation['what'][] = [];
  for (const metric of Object.keys(METRICS) as Metric[]) {
    const comparison = (expectation as Partial<Record<Metric, Comparison>>)[metric];
    if (comparison === undefined) continue;
    if (comparison.unit !== METRICS[metric]) {
      const needed =
        METRICS[metric] === 'ms' ? 'a duration, such as "<= 3s"' : 'a plain number, such as "= 0"';
      context.addIssue({
        code: 'custom',
        path: [metric],
        message: `${comparison.text}: this needs ${needed}`,
      });
    }
    what.push({ kind: 'metric', metric, comparison });
  }
  if (history !== undefined) what.push({ kind: 'history' });
  if (logs !== undefined) what.push({ kind: 'logs' });
  if (invariants !== undefined) what.push({ kind: 'invariants', invariants });
  const text = expectation['events.contains'];
  if (text !== undefined) what.push({ kind: 'event', text });
  if (what.length === 0)
    context.addIssue({ code: 'custom', message: `what is expected? one of ${EXPECTATION_KEYS.join(', ')}` });
  return what.map((each, at) => ({
    id: what.length === 1 ? id : `${id}-${at + 1}`,
    severity,
    note,
    during,
    except,
    what: each,
  }));
});

const STEADY_EXPECTATION = strict({
  leader: z.literal('stable').optional(),
  errorRate: COMPARISON.optional(),
  lag: COMPARISON.optional(),
});

const STEADY = strict({
  for: DURATION.default(2000),
  expect: z.array(STEADY_EXPECTATION).default([{ leader: 'stable' }]),
}).transform(({ for: forMs, expect }) => ({
  forMs,
  leaderStable: expect.some(({ leader }) => leader === 'stable'),
  errorRate: expect.find(({ errorRate }) => errorRate !== undefined)?.errorRate ?? null,
  lag: expect.find(({ lag }) => lag !== undefined)?.lag ?? null,
}));

const LOAD = strict({
  producers: z.number().int().min(1).max(64).default(4),
  rate: RATE.nullable().default(null),
  inFlight: z.number().int().min(1).max(1024).default(4),
  size: SIZE.default(256),
  consumers: z.number().int().min(0).max(16).default(1),
  reads: z.enum(['linearizable', 'committed']).default('linearizable'),
  timeout: DURATION.default(10_000),
  floor: SHARE.default(0.8),
  /** What is judged of it: everything, always. The words are understood so that scripts may say what they are about. */
  verify: z.enum(['acked', 'history']).optional(),
}).transform(({ size, timeout, verify: _, ...load }) => ({ ...load, sizeBytes: size, timeoutMs: timeout }));

const CLUSTER = strict({
  nodes: z.number().int().min(1).max(7).default(3),
  profile: z.enum(['lan', 'wan']).default('lan'),
  segmentMib: z.number().gt(0).max(1024).nullable().default(null),
  retentionMib: z.number().gt(0).nullable().default(null),
  durability: z.literal('quorum-fsync').optional(),
  unsafeMutations: z.array(z.enum(MUTATION_NAMES)).default([]),
}).transform(({ durability: _, ...cluster }) => cluster);

const ABORT = strict({ when: z.string() }).transform(({ when }, context) => {
  const metric = (['disk.used', 'unavailability'] as const).find((each) => when.startsWith(`${each} `));
  const comparison = metric === undefined ? null : parseComparison(when.slice(metric.length).trim());
  if (metric !== undefined && comparison?.unit === (metric === 'disk.used' ? 'share' : 'ms'))
    return { metric, comparison };
  context.addIssue({ code: 'custom', message: 'write "disk.used > 95%" or "unavailability > 60s"' });
  return z.NEVER;
});

/** A whole script. */
export const DRILL: z.ZodType<Drill, unknown> = strict({
  drill: z.literal('dledger/v1', 'the first line says which format this is: drill: dledger/v1'),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower case, digits and dashes'),
  hypothesis: z.string().min(1),
  cluster: CLUSTER.prefault({}),
  seed: z.number().int().min(0).nullable().default(null),
  load: LOAD.prefault({}),
  steady: STEADY.prefault({}),
  steps: z.array(STEP).min(1),
  expect: z
    .array(EXPECTATION)
    .min(1)
    .transform((expectations) => expectations.flat()),
  abort: ABORT.nullable().default(null),
  mustFail: z.array(z.string()).default([]),
})
  .superRefine(({ expect, mustFail }, context) => {
    const ids = expect.map(({ id }) => id);
    const repeated = ids.find((id, at) => ids.indexOf(id) !== at);
    if (repeated !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['expect'],
        message: `two expectations are called ${repeated}`,
      });
    const unknown = mustFail.find((id) => !ids.includes(id));
    if (unknown !== undefined)
      context.addIssue({ code: 'custom', path: ['mustFail'], message: `there is no expectation ${unknown}` });
  })
  // Behind everything else: steps are read by then.
  .transform(({ drill: _, ...script }, context) => {
    checkNames(script, context);
    return script;
  });

function strict<T extends z.core.$ZodLooseShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  for (const key of Object.keys(shape)) KNOWN_KEYS.add(key);
  return z.strictObject(shape);
}

function metricKeys(): Record<Metric, z.ZodOptional<typeof COMPARISON>> {
  const keys = Object.keys(METRICS) as Metric[];
  return Object.fromEntries(keys.map((metric) => [metric, COMPARISON.optional()])) as ReturnType<
    typeof metricKeys
  >;
}

/** What is healed or excused must have been broken, under that name. */
function checkNames(
  { steps, expect }: Pick<Drill, 'steps' | 'expect'>,
  context: z.core.$RefinementCtx,
): void {
  const names = new Set(steps.flatMap(faultNames));
  const healed = steps.flatMap(healedNames).find((name) => name !== 'all' && !names.has(name));
  if (healed !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['steps'],
      message: `no step ${healed} breaks anything to heal`,
    });
  const excused = expect.flatMap(({ except }) => except).find((name) => !names.has(name));
  if (excused !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['expect'],
      message: `no step ${excused} breaks anything to excuse`,
    });
}

/** Steps that break something, those within others too. */
function faultNames(step: Step): string[] {
  return [...(step.kind === 'fault' ? [step.name] : []), ...within(step).flatMap(faultNames)];
}

function healedNames(step: Step): string[] {
  return [...(step.kind === 'heal' ? [step.what] : []), ...within(step).flatMap(healedNames)];
}

function within(step: Step): readonly Step[] {
  return [...step.next, ...(step.kind === 'forEach' ? step.steps : [])];
}

function exactlyOne(value: object, keys: readonly string[], context: z.core.$RefinementCtx): void {
  const given = keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (given.length === 1) return;
  const message =
    given.length === 0
      ? `nothing to do: give one of ${keys.join(', ')}`
      : `only one of ${given.join(', ')} at a time`;
  context.addIssue({ code: 'custom', message });
}

function faultPlan(fault: z.output<typeof RAW_FAULT>): FaultPlan {
  const {
    kill,
    signal,
    drop,
    mode,
    loss,
    delay,
    by,
    jitter,
    partition,
    first,
    disk,
    fsyncDelay,
    diskError,
    diskFull,
    clock,
    offset,
    throttle,
    rate,
  } = fault;
  if (kill !== undefined) return { kind: 'kill', nodes: kill, signal };
  if (drop !== undefined) return { kind: 'drop', ...drop, mode, share: loss };
  if (delay !== undefined) return { kind: 'delay', ...delay, delayMs: by, jitterMs: jitter };
  if (disk !== undefined) return { kind: 'disk', nodes: disk, delayMs: fsyncDelay, jitterMs: jitter };
  if (diskError !== undefined) return { kind: 'diskError', nodes: diskError };
  if (diskFull !== undefined) return { kind: 'diskFull', nodes: diskFull };
  if (throttle !== undefined)
    return { kind: 'throttle', ...throttle, bytesPerSecond: rate ?? DEFAULT_BYTES_PER_SECOND };
  if (clock !== undefined) return { kind: 'clock', nodes: clock, offsetMs: offset ?? 0 };
  if (partition !== undefined)
    return { kind: 'partition', partition: { shape: partition, first: first ?? null } };
  const kind = (['pause', 'wipe', 'flip'] as const).find((each) => fault[each] !== undefined);
  return kind === undefined
    ? { kind: 'stall', nodes: fault.stall ?? '' }
    : { kind, nodes: fault[kind] ?? '' };
}

function stepOf(step: z.output<typeof RAW_STEP>): Step {
  const { fault, heal, wait, sleep, restart, grace, transferLeader, forEach } = step;
  const kind = STEP_KEYS.find((key) => step[key] !== undefined) ?? 'sleep';
  const base = {
    name: step.name ?? kind,
    timeoutMs: step.timeout,
    repeat: step.repeat,
    everyMs: step.every,
    next: step.then,
  };
  if (fault !== undefined) return { ...base, kind: 'fault', fault: fault.plan, ttlMs: fault.ttlMs };
  if (heal !== undefined) return { ...base, kind: 'heal', what: heal };
  if (wait !== undefined) return { ...base, kind: 'wait', wait };
  if (restart !== undefined) return { ...base, kind: 'restart', nodes: restart, graceMs: grace };
  if (transferLeader !== undefined) {
    const { to, if: condition } = transferLeader;
    return { ...base, kind: 'transferLeader', to, from: condition === undefined ? null : '$node' };
  }
  const [among] = Object.entries(forEach ?? {});
  if (among === undefined) return { ...base, kind: 'sleep', ms: sleep ?? 0 };
  return { ...base, kind: 'forEach', variable: among[0], among: among[1], steps: step.do };
}
