import { Prng } from '../base/prng.ts';
import {
  FAULT_KINDS,
  type ClientKind,
  type FaultKind,
  type PlannedClient,
  type Scenario,
} from './scenario.ts';
import { DISK_BYTES } from './crashable-disk.ts';
import { drawScenario, drawSizes, planAppends, planFaults, planReads } from './swarm.ts';

/** Worlds that are drawn for something, where the swarm is drawn for everything. */
export const WORLD_NAMES = [
  'swarm',
  'churn',
  'duel',
  'split',
  'round',
  'tail',
  'power',
  'alone',
  'wiped',
  'ballot',
  'noise',
  'market',
  'trimmed',
  'full',
  'rot',
] as const;
export type WorldName = (typeof WORLD_NAMES)[number];

const DRAW: Record<WorldName, (seed: number) => Scenario> = {
  swarm: drawScenario,
  churn: drawChurn,
  duel: drawDuel,
  split: drawSplit,
  round: drawRound,
  tail: drawTail,
  power: drawPower,
  alone: drawAlone,
  wiped: drawWiped,
  ballot: drawBallot,
  noise: drawNoise,
  market: drawMarket,
  trimmed: drawTrimmed,
  full: drawFull,
  rot: drawRot,
};

/** Seeds below this stood for something before there was a world of rot, and still stand for the same. */
const ROT_SEEDS_FROM = 1_000_000;

/** What a seed alone stands for: one in five is a world drawn for something, the others are the swarm's. */
export function drawSeed(seed: number): Scenario {
  if (seed >= ROT_SEEDS_FROM && seed % 50 === 1) return drawWorld('rot', seed);
  if (seed % 5 !== 0) return drawScenario(seed);
  const directed = WORLD_NAMES.filter((name) => name !== 'swarm' && name !== 'rot');
  return drawWorld(directed[(seed / 5) % directed.length] ?? 'churn', seed);
}

/** The same name and seed draw the same world. */
export function drawWorld(world: WorldName, seed: number): Scenario {
  return DRAW[world](seed);
}

/** What all directed worlds have; each says what it is about. */
function drawBase(prng: Prng, seed: number): Omit<Scenario, 'faults' | 'clients'> {
  return {
    seed,
    size: 3,
    safetyMs: prng.between(2, 5) * 1000,
    network: { latencyMsMin: 0.05, latencyMsMax: 0.1 + prng.fraction(), splitChance: 0 },
    diskMsMin: 0.1,
    diskMsSpread: prng.fraction() * (prng.chance(0.5) ? 20 : 2),
    node: { heartbeatMs: 20, electionTimeoutMsMin: 80, electionTimeoutMsMax: 160 },
    brokenMs: prng.chance(0.5) ? prng.between(5, 50) : prng.between(50, 600),
    inFlightMax: prng.between(1, 64),
    payloadBytesMax: prng.between(0, 400),
    timeoutMsMax: prng.between(300, 5000),
  };
}

/**
 * A cluster that never comes to rest: elections every few hundred milliseconds, leaders that die or are cut off with
 * entries that nobody else has, messages of a few entries, disks that are slow beside an election. This is where logs
 * differ, votes split and what is old comes late.
 */
function drawChurn(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const links: FaultKind[] = ['one-way-cut', 'link-cut', 'isolate', 'partition'];
  const deaths: FaultKind[] = ['kill', 'power-cut', 'crash-point', 'restart', 'stop'];
  const moments: FaultKind[] = ['voter-crash', 'leader-crash', 'truncation-crash', 'lost-leader'];
  const disks: FaultKind[] = ['dying-disk', 'slow-disk'];
  const latencyMsMax = 0.1 + prng.fraction() * (prng.chance(0.3) ? 8 : 1);
  const electionTimeoutMsMin = Math.ceil(Math.max(60, 3 * (2 * latencyMsMax + base.diskMsSpread)));
  return {
    ...base,
    size: prng.chance(0.7) ? 3 : 5,
    network: { latencyMsMin: 0.05, latencyMsMax, splitChance: prng.chance(0.5) ? 0 : 0.2 },
    node: {
      ...drawSizes(prng),
      heartbeatMs: 20,
      electionTimeoutMsMin,
      electionTimeoutMsMax: electionTimeoutMsMin * 2,
      appendEntriesMax: prng.chance(0.5) ? prng.between(1, 4) : 4096,
      inflightMessagesMax: prng.chance(0.5) ? prng.between(1, 4) : 64,
    },
    leaderShare: 0.3 + prng.fraction() / 2,
    payloadBytesMax: prng.chance(0.2) ? 4096 : base.payloadBytesMax,
    faults: planFaults(
      prng.fork(),
      drawRates(prng, [...links, ...deaths, ...moments, ...disks], 3),
      base.safetyMs,
    ),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 60, reads: 60 }),
  };
}

/**
 * Figure 8: leaders are cut off with a tail of their own, the next ones die with theirs, all come back, and what they
 * have in excess travels one entry at a time.
 */
function drawDuel(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const latencyMsMin = 1 + prng.fraction() * 3;
  return {
    ...base,
    network: { latencyMsMin, latencyMsMax: latencyMsMin + 1, splitChance: 0 },
    diskMsSpread: 0.5,
    node: { ...base.node, appendEntriesMax: 1, inflightMessagesMax: 1 },
    brokenMs: prng.between(100, 400),
    leaderShare: 0.9,
    inFlightMax: 64,
    faults: planFaults(
      prng.fork(),
      rates({ 'leader-crash': 5, 'lost-leader': 2, isolate: 1 }),
      base.safetyMs,
    ),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 100, reads: 5 }),
  };
}

/** Clients and nodes are cut from each other in all ways, for times that are long beside an election: two leaders at once. */
function drawSplit(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const safetyMs = 12_000;
  return {
    ...base,
    size: prng.chance(0.7) ? 3 : 4,
    safetyMs,
    diskMsSpread: 1,
    node: { heartbeatMs: 100, electionTimeoutMsMin: 500, electionTimeoutMsMax: 3000 },
    brokenMs: 4000,
    leaderShare: 0.9,
    timeoutMsMax: 5000,
    faults: planFaults(prng.fork(), rates({ partition: 0.5 }), safetyMs),
    clients: planLoad(prng.fork(), safetyMs, { appends: 20, reads: 40 }),
  };
}

/** Leadership goes round under load, by nodes that are told to end. */
function drawRound(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  return {
    ...base,
    network: { latencyMsMin: 0.05, latencyMsMax: 4 + prng.fraction() * 6, splitChance: 0 },
    diskMsSpread: 1,
    brokenMs: prng.between(20, 100),
    leaderShare: 0.9,
    inFlightMax: 64,
    faults: planFaults(prng.fork(), rates({ restart: 6, 'one-way-cut': 0.5 }), base.safetyMs),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 200, reads: 5 }),
  };
}

/**
 * Leaders that are cut off go on writing what nobody else has, die, and come back to a cluster that went on without them;
 * disks are slow, and die, while the old tail is replaced. Small caches, so that what is applied comes from disk.
 */
function drawTail(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  return {
    ...base,
    diskMsSpread: prng.fraction() * 10,
    node: {
      ...base.node,
      segmentBytes: 64 * 1024,
      cacheBytesMax: prng.chance(0.7) ? prng.between(1, 4096) : 1024 * 1024,
      checkpointEveryBytes: prng.chance(0.3) ? prng.between(1, 4096) : 1024 * 1024,
    },
    brokenMs: prng.between(100, 400),
    inFlightMax: 64,
    payloadBytesMax: prng.chance(0.5) ? 8192 : 400,
    faults: planFaults(
      prng.fork(),
      rates({ 'lost-leader': 3, 'truncation-crash': 3, 'dying-disk': 1 }),
      base.safetyMs,
    ),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 100, reads: 20 }),
  };
}

/** Machines that lose their power, and disks that fail, again and again, under large records: many half-done writes. */
function drawPower(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const cuts: FaultKind[] = ['power-cut', 'power-cut-all', 'kill', 'crash-point', 'failed-sync'];
  return {
    ...base,
    size: prng.chance(0.5) ? 1 : 3,
    node: {
      ...base.node,
      segmentBytes: 64 * 1024,
      checkpointEveryBytes: prng.chance(0.7) ? 1024 * 1024 : prng.between(1, 4096),
    },
    brokenMs: prng.chance(0.5) ? prng.between(1, 20) : prng.between(20, 400),
    payloadBytesMax: prng.chance(0.5) ? 8192 : prng.between(0, 2000),
    faults: planFaults(
      prng.fork(),
      drawRates(prng, [...cuts, 'dying-disk', 'voter-crash', 'leader-crash'], 4),
      base.safetyMs,
    ),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 60, reads: 5 }),
  };
}

/** Disks without room, again and again, while leaders and voters die: logs that wait with half a block, votes that pass by. */
function drawFull(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const deaths: FaultKind[] = [
    'power-cut',
    'power-cut-all',
    'kill',
    'voter-crash',
    'leader-crash',
    'lost-leader',
  ];
  return {
    ...base,
    size: prng.chance(0.8) ? 3 : 5,
    node: { ...base.node, segmentBytes: 64 * 1024, checkpointEveryBytes: 1024 * 1024 },
    brokenMs: prng.between(100, 800),
    payloadBytesMax: prng.chance(0.7) ? 8192 : prng.between(0, 2000),
    faults: planFaults(
      prng.fork(),
      { ...drawRates(prng, deaths, 3), 'full-disk': 1, 'no-room': 3 },
      base.safetyMs,
    ),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 60, reads: 5 }),
  };
}

/**
 * Records rot again and again, at all nodes but one, while these die and lead in turn: small caches and segments, so that
 * what is read is read from disk.
 */
function drawRot(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const deaths: FaultKind[] = [
    'kill',
    'power-cut',
    'power-cut-all',
    'crash-point',
    'restart',
    'stop',
    'leader-crash',
    'truncation-crash',
    'lost-leader',
    'transfer',
    'isolate',
    'link-cut',
  ];
  const safetyMs = prng.between(4, 8) * 1000;
  return {
    ...base,
    size: prng.chance(0.7) ? 3 : prng.between(2, 5),
    safetyMs,
    diskMsSpread: prng.fraction() * 3,
    node: {
      ...base.node,
      segmentBytes: 64 * 1024,
      cacheBytesMax: 2 ** prng.between(10, 16),
      checkpointEveryBytes: 2 ** prng.between(13, 20),
      scrubBytesPerSecond: prng.chance(0.5) ? 0 : 2 ** prng.between(16, 22),
    },
    brokenMs: prng.between(50, 800),
    inFlightMax: 16,
    payloadBytesMax: prng.chance(0.5) ? prng.between(100, 600) : prng.between(600, 4000),
    faults: planFaults(
      prng.fork(),
      { ...drawRates(prng, deaths, 1), 'record-rot': 1 + 5 * prng.fraction() },
      safetyMs,
    ),
    clients: planLoad(prng.fork(), safetyMs, { appends: 60, reads: 30 }),
  };
}

/** One node that starts again and again, with a small cache and a long log behind its last checkpoint. */
function drawAlone(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  return {
    ...base,
    size: 1,
    diskMsSpread: prng.fraction() * 10,
    node: { ...base.node, cacheBytesMax: prng.between(1, 4096), checkpointEveryBytes: 1024 * 1024 },
    brokenMs: prng.between(5, 100),
    payloadBytesMax: prng.between(0, 2000),
    faults: planFaults(prng.fork(), rates({ kill: 2, 'power-cut': 1, restart: 1 }), base.safetyMs),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 60, reads: 100 }),
  };
}

/** Disks are lost while others are dead or behind. */
function drawWiped(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  return {
    ...base,
    brokenMs: prng.between(50, 600),
    faults: planFaults(prng.fork(), rates({ 'wiped-disk': 4, kill: 3, 'slow-disk': 1 }), base.safetyMs),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 60, reads: 5 }),
  };
}

/** Elections among nodes of which two do not hear each other, and voters that die of their votes and are back at once. */
function drawBallot(seed: number): Scenario {
  const prng = new Prng(seed);
  const safetyMs = 8000;
  return {
    ...drawBase(prng, seed),
    safetyMs,
    diskMsMin: 1,
    diskMsSpread: prng.fraction() * 10,
    brokenMs: prng.between(100, 400),
    faults: planFaults(prng.fork(), rates({ 'voter-crash': 8, 'leader-crash': 3, 'link-cut': 6 }), safetyMs),
    clients: planLoad(prng.fork(), safetyMs, { appends: 10, reads: 2 }),
  };
}

/** Bits flip on the way, and frames come in pieces. */
function drawNoise(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  return {
    ...base,
    network: { ...base.network, splitChance: 0.3 },
    payloadBytesMax: prng.between(0, 4000),
    faults: planFaults(prng.fork(), rates({ noise: 6, kill: 0.5, isolate: 0.5 }), base.safetyMs),
    clients: planLoad(prng.fork(), base.safetyMs, { appends: 60, reads: 20 }),
  };
}

/**
 * A log of which little is kept, under large records: who is away for a second or two needs a snapshot, and whoever sends
 * it or gets it may die or be cut off in the middle; disks are lost too.
 */
function drawTrimmed(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const safetyMs = 12_000;
  const deaths = rates({
    'snapshot-crash': 6,
    kill: 3,
    'power-cut': 3,
    'crash-point': 3,
    restart: 1,
    stop: 1,
    'wiped-disk': 2,
  });
  const cuts = rates({ isolate: 3, 'link-cut': 1, reset: 3, 'slow-disk': 1, 'leader-crash': 1 });
  const perSecond = Object.fromEntries(
    FAULT_KINDS.map((kind) => [kind, (deaths[kind] + cuts[kind]) / 12]),
  ) as Record<FaultKind, number>;
  const world: Scenario = {
    ...base,
    safetyMs,
    diskMsSpread: prng.fraction() * 2,
    node: {
      ...base.node,
      segmentBytes: 64 * 1024,
      cacheBytesMax: 2 ** prng.between(10, 17),
      checkpointEveryBytes: 2 ** (prng.chance(0.5) ? prng.between(12, 14) : prng.between(18, 20)),
      retentionBytes: prng.between(2, 4) * 64 * 1024,
      snapshotBytesPerSecondMax: prng.chance(0.5) ? 2 ** prng.between(12, 16) : 64 * 1024 * 1024,
    },
    brokenMs: prng.between(500, 2500),
    leaderShare: 0.2,
    inFlightMax: 16,
    payloadBytesMax: prng.between(2000, 6000),
    timeoutMsMax: 3000,
    faults: planFaults(prng.fork(), perSecond, safetyMs),
    clients: planLoad(prng.fork(), safetyMs, { appends: 60, reads: 20 }),
  };
  if (!prng.chance(0.3)) return world;
  // The same by the room on the disks.
  const retentionDiskShare = (prng.between(5, 9) * 64 * 1024) / DISK_BYTES;
  return { ...world, node: { ...world.node, retentionBytes: DISK_BYTES, retentionDiskShare } };
}

/** Producers of a topic, and members of its group that come and go all the time, while leaders die and ways are clogged. */
function drawMarket(seed: number): Scenario {
  const prng = new Prng(seed);
  const base = drawBase(prng, seed);
  const safetyMs = prng.between(4, 8) * 1000;
  const broken = rates({
    'lost-leader': 0.4,
    kill: 0.4,
    isolate: 0.3,
    'clogged-way': 0.5,
    reset: 0.5,
    stop: 0.2,
  });
  const client = (name: string, kind: ClientKind, perSecond: number): PlannedClient => {
    const own = prng.fork();
    return { name, kind, seed: own.uint32(), operations: planAppends(own, perSecond, safetyMs) };
  };
  return {
    ...base,
    safetyMs,
    brokenMs: prng.between(200, 3000),
    topicQueues: prng.between(1, 5),
    faults: planFaults(prng.fork(), broken, safetyMs),
    clients: [
      client('t1', 'topic-producer', 30),
      client('t2', 'topic-producer', 30),
      client('m1', 'member', 0.6),
      client('m2', 'member', 0.6),
      client('m3', 'member', 0.6),
    ],
  };
}

function rates(perSecond: Partial<Record<FaultKind, number>>): Record<FaultKind, number> {
  const zeros = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  return { ...zeros, ...perSecond };
}

/** Most of these kinds, up to so many of each a second; the others never. */
function drawRates(prng: Prng, kinds: readonly FaultKind[], perSecondMax: number): Record<FaultKind, number> {
  const perSecond: Partial<Record<FaultKind, number>> = {};
  for (const kind of kinds) if (prng.chance(0.6)) perSecond[kind] = prng.fraction() * perSecondMax;
  return rates(perSecond);
}

function planLoad(
  prng: Prng,
  untilMs: number,
  perSecondMax: { readonly appends: number; readonly reads: number },
): readonly PlannedClient[] {
  return ['p1', 'p2', 'r1', 'r2'].map((name) => {
    const own = prng.fork();
    const share = 0.2 + 0.8 * own.fraction();
    return name.startsWith('p')
      ? {
          name,
          kind: 'producer',
          seed: own.uint32(),
          operations: planAppends(own, share * perSecondMax.appends, untilMs),
        }
      : {
          name,
          kind: 'reader',
          seed: own.uint32(),
          operations: planReads(own, share * perSecondMax.reads, untilMs),
        };
  });
}
