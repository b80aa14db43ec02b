import { Prng } from '../../src/base/prng.ts';
import { CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { TopicsDriver } from '../../test/node/support/topics.ts';
import { ByteClasses } from './byte-classes.ts';

const DIRECTORY = '/data';
const TOPIC = 'orders';
const TOPIC_QUEUES = 2;
const KEY_STEP = 7;
const ROUNDS = 80;
/** A small cache: what is not in it is read from the disk when it is asked for. */
const NODE = { segmentBytes: 64 * 1024, checkpointEveryBytes: 40 * 1024, cacheBytesMax: 32 * 1024 };
const SETTLE_MS = 2000;
const ATTEMPTS_MAX = 5;
/** By then the whole log was read once more, whoever asked for what. */
const SCRUBBED_MS = 11 * 60 * 1000;
/** What the blocks of the log are made of: it is the same at every node, and comes back whatever happens to it. */
export const MENDABLE: readonly string[] = ['block header', 'entry header', 'entry body'];
/** Of bytes, as `ByteClasses` tells them apart. */
export const CLASSES = 19;

/** What the cluster must have, whatever is flipped. */
interface Content {
  readonly log: readonly string[];
  readonly queues: readonly (readonly string[])[];
}

/** A cluster at rest: nobody runs. */
interface AtRest {
  readonly files: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
  readonly content: Content;
  /** Numbers of the topic's queues. */
  readonly queues: readonly number[];
}

/**
 * What became of a flipped bit.
 * - `refused`: the node saw it when it started, and stayed out.
 * - `stopped`: it saw it when the byte was to be used, and ended.
 * - `told`: it saw it when the byte was to be served, said so instead, and went on.
 * - `mended`: the byte is what it was.
 * - `harmless`: the byte is still flipped, or gone, and nobody needs it.
 */
export type Fate = 'refused' | 'stopped' | 'told' | 'mended' | 'harmless';
const FATES: readonly Fate[] = ['refused', 'stopped', 'told', 'mended', 'harmless'];

export interface ClassResult {
  readonly name: string;
  /** On the disk of one node. */
  readonly bytes: number;
  readonly fates: Record<Fate, number>;
}

/** How a node may end because of what is on its disk. */
const HONEST_ENDS: ReadonlySet<string> = new Set([
  'LOG_ROT',
  'DATA_NOT_OURS',
  'DATA_VERSION',
  'DATA_OF_ANOTHER_NODE',
]);

/**
 * Flips single bits, each on one node of a cluster at rest, as many of each class of bytes; then the cluster starts. It
 * must have all that it had, no node may serve anything else, whoever stays out must say why, and what blocks are made of
 * must be put back.
 * @throws Error that names the bit where that is not so.
 */
export function flipBits(
  perClass: number,
  seed: number,
  onClass?: (result: ClassResult) => void,
): ClassResult[] {
  const base = prepare();
  const classes = new Map(
    [...base.files.keys()].map((id) => [id, new ByteClasses(restored(base, id), DIRECTORY)]),
  );
  const names = [...new Set([...classes.values()].flatMap((of) => of.names))].sort();
  const prng = new Prng(seed);
  return names.map((name) => {
    const fates: Record<Fate, number> = { refused: 0, stopped: 0, told: 0, mended: 0, harmless: 0 };
    for (let flip = 0; flip < perClass; flip += 1) {
      const having = [...classes].filter(([, of]) => of.bytes(name) > 0);
      const [id, of] = having[prng.below(having.length)] ?? ['', null];
      if (of === null) throw new Error(`no node has ${name}`);
      const { path, position } = of.pick(name, prng);
      const bit = prng.below(8);
      try {
        fates[fateOf(base, { name, id, path, position, mask: 1 << bit })] += 1;
      } catch (error) {
        throw new Error(`bit ${bit} of byte ${position} of ${path} on ${id} (${name})`, { cause: error });
      }
    }
    const result = { name, bytes: classes.get('n1')?.bytes(name) ?? 0, fates };
    onClass?.(result);
    return result;
  });
}

/** Records for the log and a topic, over several segments, checkpoints and runs of keys. */
function prepare(): AtRest {
  const cluster = new SimulatedCluster({ seed: 1, size: 3, node: NODE });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new TopicsDriver(cluster);
  const { queues: made } = driver.createTopic(leader, TOPIC, TOPIC_QUEUES);
  const queues = made.map((queue) => queue.id);
  const content = { log: [] as string[], queues: queues.map((): string[] => []) };
  for (let round = 0; round < ROUNDS; round += 1) {
    const text = `${round} ${'x'.repeat(1500)}`;
    if (driver.append(leader, [text]).value !== null) content.log.push(text);
    const at = round % TOPIC_QUEUES;
    const message = {
      text: `message ${round} ${'y'.repeat(400)}`,
      key: `key-${round}`,
      tag: `tag-${round % 3}`,
    };
    if (driver.produce(leader, queues[at] ?? 0, [message]).value !== null)
      content.queues[at]?.push(message.text);
  }
  cluster.clock.advanceBy(SETTLE_MS);
  for (const id of cluster.ids) cluster.shutDown(id, 1000);
  cluster.clock.advanceBy(SETTLE_MS);
  const files = new Map(
    cluster.ids.map((id) => {
      const disk = cluster.disk(id);
      const kept = disk.paths.filter((path) => !path.includes('/lock') && !path.endsWith('.tmp'));
      return [id, new Map(kept.map((path) => [path, disk.visible(path).slice()]))];
    }),
  );
  return { files, content, queues };
}

function restored({ files }: AtRest, id: string, into?: CrashableDisk): CrashableDisk {
  const disk = into ?? new CrashableDisk({ prng: new Prng(1) });
  for (const [path, bytes] of files.get(id) ?? []) {
    const parent = path.slice(0, path.lastIndexOf('/'));
    disk.mkdirSync(parent);
    const file = disk.openSync(path, 'create');
    file.writevSync([bytes], 0);
    file.datasyncSync();
    file.closeSync();
    disk.syncDirectorySync(parent);
  }
  return disk;
}

interface Flip {
  /** Its class. */
  readonly name: string;
  readonly id: string;
  readonly path: string;
  readonly position: number;
  readonly mask: number;
}

function fateOf(base: AtRest, flip: Flip): Fate {
  const cluster = new SimulatedCluster({ seed: 1 + flip.position, size: 3, node: NODE });
  const fate = runWith(base, cluster, flip);
  if (!MENDABLE.includes(flip.name) || fate === 'mended') return fate;
  cluster.clock.advanceBy(SCRUBBED_MS);
  if (!isPutBack(base, cluster, flip)) throw new Error(`${fate}, and not put back`);
  return 'mended';
}

function isPutBack(base: AtRest, cluster: SimulatedCluster, { id, path, position }: Flip): boolean {
  const disk = cluster.disk(id);
  return (
    disk.paths.includes(path) && disk.visible(path)[position] === base.files.get(id)?.get(path)?.[position]
  );
}

function runWith(base: AtRest, cluster: SimulatedCluster, flip: Flip): Fate {
  const { id, path, position, mask } = flip;
  for (const each of cluster.ids) restored(base, each, cluster.disk(each));
  cluster.disk(id).setByte(path, position, (byte) => byte ^ mask);
  // Whoever leads is asked most: half of the time that is to be the one with the bit.
  for (const each of cluster.ids) cluster.start(each, { priority: each === id ? position % 2 : 0 });
  const isIn = cluster.isRunning(id);
  cluster.runUntilLeader();
  cluster.clock.advanceBy(SETTLE_MS);
  const driver = new TopicsDriver(cluster);
  const isTold = cluster.isRunning(id) && !answers(base, driver, id, 'committed');
  const leader = checkedLeader(base, driver, id);
  if (driver.append(leader, ['and more']).value === null) throw new Error('the cluster takes no records');
  for (const each of cluster.ids) {
    if (each === id) continue;
    if (!cluster.isRunning(each)) throw cluster.fatal(each) ?? new Error(`${each} does not run`);
    check(base, driver, each, 'committed');
  }
  const fatal = cluster.fatal(id);
  if (fatal !== null && !HONEST_ENDS.has(fatal.code)) throw fatal;
  if (fatal !== null) return isIn ? 'stopped' : 'refused';
  // What was refused is mended meanwhile.
  cluster.clock.advanceBy(SETTLE_MS);
  if (!cluster.isRunning(id) || (isTold && !answers(base, driver, id, 'committed'))) return 'told';
  check(base, driver, id, 'committed');
  return isPutBack(base, cluster, flip) ? 'mended' : 'harmless';
}

/** Whoever leads serves everything. One whose damage shows when it is asked hands over to another. */
function checkedLeader(base: AtRest, driver: TopicsDriver, flipped: string): string {
  for (let left = ATTEMPTS_MAX; ; left -= 1) {
    const leader = driver.cluster.runUntilLeader();
    if (answers(base, driver, leader, 'linearizable')) return leader;
    if (leader !== flipped && driver.cluster.isRunning(leader))
      throw new Error(`${leader} calls its log damaged`);
    if (left === 0) throw new Error('nobody serves what is committed');
    driver.cluster.clock.advanceBy(SETTLE_MS);
  }
}

class WrongContentError extends Error {}

/** @returns false if it says that something is damaged, or has ended over it; a wrong answer is thrown on. */
function answers(
  base: AtRest,
  driver: TopicsDriver,
  id: string,
  consistency: 'linearizable' | 'committed',
): boolean {
  try {
    check(base, driver, id, consistency);
    return true;
  } catch (error) {
    if (error instanceof WrongContentError) throw error;
    if (driver.cluster.isRunning(id) && !/damaged|rotten/.test(String(error))) throw error;
    return false;
  }
}

function check(
  { content, queues }: AtRest,
  driver: TopicsDriver,
  id: string,
  consistency: 'linearizable' | 'committed',
): void {
  const log = driver.readAll(id, consistency).map(({ text }) => text);
  compare(`${id}: the log`, log.slice(0, content.log.length), content.log);
  if (consistency === 'committed') return;
  for (const [at, queue] of queues.entries()) {
    const records = driver.consume(id, queue).map(({ text }) => text);
    compare(`${id}: queue ${queue}`, records, content.queues[at] ?? []);
  }
  for (let round = 0; round < ROUNDS; round += KEY_STEP) checkKey(driver, id, round, queues);
}

/** Each key was given to one record. */
function checkKey(driver: TopicsDriver, id: string, round: number, queues: readonly number[]): void {
  const request = { op: 'findByKey', topic: TOPIC, key: `key-${round}`, max: 10 } as const;
  const { value } = driver.admin(id, request);
  if (value === null) throw new Error('no answer');
  const found = value.found.map((record) => `${record.id}:${record.offset}`);
  compare(`${id}: key-${round}`, found, [
    `${queues[round % TOPIC_QUEUES]}:${Math.floor(round / TOPIC_QUEUES)}`,
  ]);
}

function compare(what: string, found: readonly string[], expected: readonly string[]): void {
  const different = expected.findIndex((text, at) => found[at] !== text);
  if (different >= 0 || found.length !== expected.length) {
    throw new WrongContentError(
      `${what} has ${found.length} of ${expected.length} records, the first wrong one is ${different}`,
    );
  }
}

/** The campaign: as many flips of each class, and a table. */
export function bitFlips(flips: number, seed: number): boolean {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const row = (name: string, cells: readonly (string | number)[]): void =>
    say(name.padEnd(26) + cells.map((cell) => String(cell).padStart(9)).join(''));
  const startMs = performance.now();
  let count = 0;
  row('class', ['bytes', 'flips', ...FATES]);
  flipBits(Math.ceil(flips / CLASSES), seed, ({ name, bytes, fates }) => {
    const numbers = FATES.map((fate) => fates[fate]);
    const sum = numbers.reduce((total, number) => total + number, 0);
    count += sum;
    row(name, [bytes, sum, ...numbers]);
  });
  const seconds = Math.round((performance.now() - startMs) / 1000);
  say(
    `good: ${count} bits flipped in ${seconds} s (seed ${seed}); every cluster had all its records, and no node served a wrong one`,
  );
  return true;
}
