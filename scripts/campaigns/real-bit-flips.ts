import fs from 'node:fs';
import path from 'node:path';
import { Prng } from '../../src/base/prng.ts';
import { CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { Cluster, run } from '../../test/e2e/support/cluster.ts';
import { judge, readAll, Writer } from '../../test/e2e/support/load.ts';
import { MENDABLE } from './bit-flips.ts';
import { ByteClasses } from './byte-classes.ts';

const IN_FLIGHT = 16;
const RECORDS_BETWEEN = 200;
const MODEL = '/data';
/** The whole log is read within a moment after each start. */
const NODE = ['--segment-mib', '1', '--scrub-mib-per-s', '100'];
const PUT_BACK_ATTEMPTS = 100;

/**
 * The same on real processes under load: one of three nodes is killed, a bit of its files flips, and it starts again. It
 * works on, or ends and says why; then it starts empty. What blocks are made of never ends it: the others have it too. At the
 * end every record must be where its writer was told, and no log be damaged.
 */
export async function flipRealBits(flips: number, seed: number): Promise<boolean> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const prng = new Prng(seed);
  const cluster = await Cluster.start(3, NODE);
  try {
    const writer = await Writer.start(cluster.endpoints, 'w', IN_FLIGHT);
    let ended = 0;
    let damaged = 0;
    for (let flip = 0; flip < flips; flip += 1) {
      await writer.more(RECORDS_BETWEEN);
      const id = cluster.ids[prng.below(cluster.ids.length)] ?? 'n1';
      await cluster.kill(id);
      const { name, where } = flipOne(cluster.dataDirectory(id), flip, prng);
      const why = await returns(cluster, id);
      if (why !== null && MENDABLE.includes(name))
        throw new Error(`${id} ended over ${name}, ${where}: ${why}`);
      if (why !== null) ended += 1;
      const isWhole = await becomesWhole(cluster.dataDirectory(id));
      if (!isWhole) damaged += 1;
      say(
        `${flip + 1}: ${id}, ${name}, ${where}: ${why ?? 'works on'}${isWhole ? '' : ', BAD: its log stays damaged'}`,
      );
    }
    const written = await writer.stop();
    await cluster.converged();
    const { lost, moved, duplicated, invented } = judge([written], await readAll(cluster.endpoints));
    const faults = lost.length + moved.length + duplicated.length + invented.length + damaged;
    say(
      `${faults === 0 ? 'good' : 'BAD'}: ${flips} bits flipped, ${ended} nodes ended over it, ${damaged} logs stayed damaged; acknowledged ${written.acknowledged.length}, lost ${lost.length}, moved ${moved.length}, duplicated ${duplicated.length}, invented ${invented.length}`,
    );
    return faults === 0;
  } finally {
    await cluster.stop();
  }
}

/** Whether nothing in the log of a running node is damaged any more, within a while. */
async function becomesWhole(directory: string): Promise<boolean> {
  for (let left = PUT_BACK_ATTEMPTS; left > 0; left -= 1)
    if ((await run(['log', 'verify', directory])).code === 0) return true;
  return false;
}

/** A bit of each kind of byte in turn. */
function flipOne(
  directory: string,
  turn: number,
  prng: Prng,
): { readonly name: string; readonly where: string } {
  const classes = new ByteClasses(modelOf(directory), MODEL);
  const name = classes.names[turn % classes.names.length] ?? '';
  const { path: at, position } = classes.pick(name, prng);
  const file = path.join(directory, path.relative(MODEL, at));
  const bytes = fs.readFileSync(file);
  bytes[position] = (bytes[position] ?? 0) ^ (1 << prng.below(8));
  fs.writeFileSync(file, bytes);
  return { name, where: `byte ${position} of ${path.basename(file)}` };
}

/** The files as the simulator has them. */
function modelOf(directory: string): CrashableDisk {
  const disk = new CrashableDisk({ prng: new Prng(1) });
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const from = path.join(directory, name);
    if (!fs.statSync(from).isFile() || name.endsWith('.tmp') || name.startsWith('lock')) continue;
    const to = path.join(MODEL, name);
    disk.mkdirSync(path.dirname(to));
    const file = disk.openSync(to, 'create');
    file.writevSync([fs.readFileSync(from)], 0);
    file.closeSync();
  }
  return disk;
}

/** Waits until the node takes part again, at worst without what it had. @returns how it ended before, if it did. */
async function returns(cluster: Cluster, id: string): Promise<string | null> {
  const node = cluster.startNode(id);
  const takesPart = cluster.untilStatus((status) => {
    const commit = Math.max(...status.nodes.map((each) => each.commitIndex ?? 0));
    const mine = status.nodes.find((each) => each.id === id);
    return (
      !node.isRunning || (status.leaderId !== null && (mine?.appliedIndex ?? 0) > commit - RECORDS_BETWEEN)
    );
  });
  await takesPart;
  if (node.isRunning) return null;
  const { code, stderr } = await node.finished;
  const why = /error\[(\w+)\]/.exec(stderr)?.[1];
  if (why === undefined) throw new Error(`${id} ended with ${code} and did not say why: ${stderr}`);
  fs.rmSync(cluster.dataDirectory(id), { recursive: true });
  await returns(cluster, id);
  return why;
}
