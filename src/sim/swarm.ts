import { Prng } from '../base/prng.ts';
import { NODE_DEFAULTS, type NodeOptions } from '../node/index.ts';
import {
  FAULT_KINDS,
  type FaultKind,
  type PlannedClient,
  type PlannedFault,
  type PlannedOperation,
  type Scenario,
} from './scenario.ts';

/**
 * Draws a world. Swarm testing: each seed leaves most kinds of faults out, because a run in which everything breaks all
 * the time never gets far enough for the deeper states; and sizes are silly now and then, because limits are where the
 * mistakes are.
 */
export function drawScenario(seed: number): Scenario {
  const prng = new Prng(seed);
  const timing = drawTiming(prng);
  const safetyMs = prng.between(3, 15) * 1000;
  const drawn = {
    seed,
    size: drawSize(prng),
    safetyMs,
    ...timing,
    node: { ...timing.node, ...drawSizes(prng) },
    brokenMs: prng.between(50, 3000),
    inFlightMax: prng.chance(0.2) ? 1 : prng.between(2, 64),
    payloadBytesMax: prng.chance(0.1) ? 32 * 1024 : prng.between(0, 400),
    timeoutMsMax: prng.chance(0.3) ? prng.between(100, 1000) : prng.between(2000, 20_000),
    faults: planFaults(prng.fork(), drawFaultRates(prng.fork()), safetyMs),
    clients: planClients(prng.fork(), safetyMs),
    ...drawClocks(prng),
    healsMajorityFirst: prng.chance(0.5),
  };
  const limited = { ...drawn, node: { ...drawn.node, ...drawLimits(prng.fork()) } };
  const peopled = { ...limited, ...drawTopic(prng.fork(), limited) };
  return { ...peopled, node: { ...peopled.node, ...drawRetention(prng.fork(), peopled) } };
}

/** One seed in eight keeps little of its log; not where a group has to get all of it. */
function drawRetention(prng: Prng, { topicQueues }: Pick<Scenario, 'topicQueues'>): Partial<NodeOptions> {
  if (!prng.chance(1 / 8) || topicQueues !== undefined) return {};
  return {
    retentionBytes: prng.between(1, 16) * 64 * 1024,
    snapshotBytesPerSecondMax: 2 ** prng.between(12, 24),
  };
}

/** One seed in four has a topic with producers and a group beside the raw log. */
function drawTopic(
  prng: Prng,
  { clients, safetyMs }: Pick<Scenario, 'clients' | 'safetyMs'>,
): Pick<Scenario, 'clients' | 'topicQueues'> {
  if (!prng.chance(0.25)) return { clients };
  const more: PlannedClient[] = [];
  const [producers, members] = [prng.between(1, 2), prng.between(1, 4)];
  for (let at = 1; at <= producers; at += 1) {
    const own = prng.fork();
    const operations = planAppends(own, prng.between(2, 20), safetyMs);
    more.push({ name: `t${at}`, kind: 'topic-producer', seed: own.uint32(), operations });
  }
  for (let at = 1; at <= members; at += 1) {
    const own = prng.fork();
    const operations = planAppends(own, 0.1 + own.fraction() * 0.6, safetyMs);
    more.push({ name: `m${at}`, kind: 'member', seed: own.uint32(), operations });
  }
  return { clients: [...clients, ...more], topicQueues: prng.between(1, 6) };
}

function drawSize(prng: Prng): number {
  const sizes = [3, 3, 3, 3, 3, 5, 5, 5, 1, 2, 4];
  return prng.chance(0.06) ? prng.between(6, 7) : (sizes[prng.below(sizes.length)] as number);
}

/** So small now and then that some of what clients send is refused, though they do not know it beforehand. */
function drawLimits(prng: Prng): Partial<NodeOptions> {
  return prng.chance(0.1) ? { batchBytesMax: prng.between(300, 3000) } : {};
}

export function drawSizes(prng: Prng): Partial<NodeOptions> {
  return {
    segmentBytes: 64 * 1024 * 2 ** prng.below(4),
    cacheBytesMax: prng.chance(0.3) ? prng.between(1, 4096) : 2 ** prng.between(12, 20),
    checkpointEveryBytes: prng.chance(0.3) ? prng.between(1, 4096) : 2 ** prng.between(12, 20),
    appendEntriesMax: prng.chance(0.3) ? prng.between(1, 8) : NODE_DEFAULTS.appendEntriesMax,
  };
}

/** Delays as they come, and timeouts that fit them: who sets them shorter than the world is slow has no cluster. */
function drawTiming(prng: Prng): Pick<Scenario, 'node' | 'network' | 'diskMsMin' | 'diskMsSpread'> {
  const latencyMsMin = prng.fraction() * (prng.chance(0.2) ? 10 : 0.5);
  const latencyMsMax = latencyMsMin + prng.fraction() * (prng.chance(0.2) ? 20 : 1);
  const diskMsMin = prng.fraction() * 0.5;
  const diskMsSpread = prng.fraction() * (prng.chance(0.2) ? 20 : 1);
  const roundMs = 2 * latencyMsMax + diskMsMin + diskMsSpread;
  const heartbeatMs = prng.chance(0.5) ? NODE_DEFAULTS.heartbeatMs : 10 * prng.between(1, 20);
  const electionTimeoutMsMin = Math.ceil(Math.max(heartbeatMs * prng.between(3, 6), roundMs * 4));
  return {
    network: { latencyMsMin, latencyMsMax, splitChance: prng.chance(0.5) ? 0 : prng.fraction() * 0.5 },
    diskMsMin,
    diskMsSpread,
    node: {
      heartbeatMs,
      electionTimeoutMsMin,
      electionTimeoutMsMax: electionTimeoutMsMin * prng.between(2, 3),
    },
  };
}

/** Clocks of machines differ by parts in a million; now and then by so much that somebody ought to look. */
function drawClocks(prng: Prng): Pick<Scenario, 'clockRates'> {
  if (prng.chance(0.6)) return {};
  const spread = prng.chance(0.8) ? 0.01 : 0.2;
  return { clockRates: Array.from({ length: 7 }, () => 1 + (prng.fraction() * 2 - 1) * spread) };
}

/** Records may rot at several nodes at a time only where no disk is lost. */
const SWARM_KINDS: readonly FaultKind[] = FAULT_KINDS.filter((kind) => kind !== 'record-rot');

/** Faults of each kind a second, on average; 0 for kinds that this seed leaves out. */
function drawFaultRates(prng: Prng): Record<FaultKind, number> {
  const rates = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  // One seed in sixteen has no faults at all: what fails then fails by itself.
  if (prng.chance(1 / 16)) return rates;
  const isOften = prng.chance(0.3);
  for (const kind of SWARM_KINDS) {
    if (prng.chance(0.3)) rates[kind] = prng.fraction() * (isOften ? 2 : 0.4);
  }
  rates['power-cut-all'] /= 4;
  rates['wiped-disk'] /= 2;
  rates['rot-at-rest'] /= 2;
  return rates;
}

export function planFaults(
  prng: Prng,
  perSecond: Readonly<Record<FaultKind, number>>,
  untilMs: number,
): readonly PlannedFault[] {
  const faults: PlannedFault[] = [];
  for (const kind of FAULT_KINDS) {
    // A generator for each kind, so that one kind's rate does not move the others.
    const own = prng.fork();
    if (perSecond[kind] === 0) continue;
    const meanMs = 1000 / perSecond[kind];
    for (let atMs = exponential(own, meanMs); atMs < untilMs; atMs += exponential(own, meanMs)) {
      faults.push({ atMs: toMicroseconds(atMs), kind, seed: own.uint32() });
    }
  }
  return faults.sort((one, other) => one.atMs - other.atMs);
}

function planClients(prng: Prng, untilMs: number): readonly PlannedClient[] {
  const perSecond = prng.chance(0.1) ? 200 : prng.between(2, 40);
  const producers = prng.between(1, 3);
  const readers = prng.between(0, 2);
  const clients: PlannedClient[] = [];
  for (let at = 1; at <= producers; at += 1) {
    const own = prng.fork();
    const operations = planAppends(own, perSecond, untilMs);
    clients.push({ name: `p${at}`, kind: 'producer', seed: own.uint32(), operations });
  }
  for (let at = 1; at <= readers; at += 1) {
    const own = prng.fork();
    const operations = planReads(own, perSecond / 4, untilMs);
    clients.push({ name: `r${at}`, kind: 'reader', seed: own.uint32(), operations });
  }
  return clients;
}

/** So many a second on average; one in five comes at once behind the one before. */
export function planAppends(prng: Prng, perSecond: number, untilMs: number): readonly PlannedOperation[] {
  return planOperations(prng, untilMs, () => (prng.chance(0.2) ? 0 : exponential(prng, 1250 / perSecond)));
}

export function planReads(prng: Prng, perSecond: number, untilMs: number): readonly PlannedOperation[] {
  return planOperations(prng, untilMs, () => exponential(prng, 1000 / perSecond));
}

function planOperations(prng: Prng, untilMs: number, waitMs: () => number): readonly PlannedOperation[] {
  const operations: PlannedOperation[] = [];
  for (let atMs = waitMs(); atMs < untilMs; atMs += waitMs()) {
    operations.push({ ordinal: operations.length + 1, atMs: toMicroseconds(atMs), seed: prng.uint32() });
  }
  return operations;
}

/** As much as anybody wants to read in a plan. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Draws the wait for the next of events that come `meanMs` apart on average and know nothing of each other. */
export function exponential(prng: Prng, meanMs: number): number {
  return -Math.log(1 - prng.fraction()) * meanMs;
}
