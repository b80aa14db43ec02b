import type { Prng } from '../base/prng.ts';
import { NODE_DEFAULTS, type NodeOptions } from '../node/index.ts';
import type { SimulatedNetworkOptions } from './simulated-network.ts';

/** What can be done to a cluster that it must survive. */
export const FAULT_KINDS = [
  'kill',
  'power-cut',
  'power-cut-all',
  'crash-point',
  'restart',
  'stop',
  'one-way-cut',
  'isolate',
  'partition',
  'reset',
  'slow-disk',
  'failed-sync',
  'failed-write',
  'wiped-disk',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What one seed is made of. */
export interface Scenario {
  readonly size: number;
  readonly safetyMs: number;
  readonly node: Partial<NodeOptions>;
  readonly network: Required<SimulatedNetworkOptions>;
  /** A disk operation takes this long, and up to so much more. */
  readonly diskMsMin: number;
  readonly diskMsSpread: number;
  /** Faults of each kind a second, on average; 0 for kinds that this seed leaves out. */
  readonly faultsPerSecond: Readonly<Record<FaultKind, number>>;
  /** How long what is broken stays so, on average. */
  readonly brokenMs: number;
  readonly producers: number;
  readonly readers: number;
  /** Of each client, on average. */
  readonly operationsPerSecond: number;
  readonly inFlightMax: number;
  readonly payloadBytesMax: number;
  /** The patience of producers is drawn from one to this. */
  readonly timeoutMsMax: number;
}

/**
 * Draws a world. Swarm testing: each seed leaves most kinds of faults out, because a run in which everything breaks all
 * the time never gets far enough for the deeper states; and sizes are silly now and then, because limits are where the
 * mistakes are.
 */
export function drawScenario(prng: Prng): Scenario {
  const timing = drawTiming(prng);
  return {
    size: drawSize(prng),
    safetyMs: prng.between(3, 15) * 1000,
    ...timing,
    node: { ...timing.node, ...drawSizes(prng) },
    faultsPerSecond: drawFaults(prng),
    brokenMs: prng.between(50, 3000),
    producers: prng.between(1, 3),
    readers: prng.between(0, 2),
    operationsPerSecond: prng.chance(0.1) ? 200 : prng.between(2, 40),
    inFlightMax: prng.chance(0.2) ? 1 : prng.between(2, 64),
    payloadBytesMax: prng.chance(0.1) ? 32 * 1024 : prng.between(0, 400),
    timeoutMsMax: prng.chance(0.3) ? prng.between(100, 1000) : prng.between(2000, 20_000),
  };
}

function drawSize(prng: Prng): number {
  const sizes = [3, 3, 3, 3, 3, 5, 5, 5, 1, 2, 4];
  return prng.chance(0.03) ? 7 : (sizes[prng.below(sizes.length)] as number);
}

function drawSizes(prng: Prng): Partial<NodeOptions> {
  return {
    segmentBytes: 64 * 1024 * 2 ** prng.below(4),
    cacheBytesMax: prng.chance(0.3) ? prng.between(1, 4096) : 2 ** prng.between(12, 20),
    checkpointEveryBytes: prng.chance(0.3) ? prng.between(1, 4096) : 2 ** prng.between(12, 20),
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

function drawFaults(prng: Prng): Record<FaultKind, number> {
  const rates = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  // One seed in sixteen has no faults at all: what fails then fails by itself.
  if (prng.chance(1 / 16)) return rates;
  const isOften = prng.chance(0.3);
  for (const kind of FAULT_KINDS) {
    if (prng.chance(0.4)) rates[kind] = prng.fraction() * (isOften ? 2 : 0.4);
  }
  rates['power-cut-all'] /= 4;
  rates['wiped-disk'] /= 2;
  return rates;
}
