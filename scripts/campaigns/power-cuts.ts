import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Prng } from '../../src/base/prng.ts';
import { FileDisk } from '../../src/platform/file-disk.ts';
import { verifyLog } from '../../src/wal/index.ts';
import { Cluster } from '../../test/e2e/support/cluster.ts';
import { judge, readAll, Writer, type Verdict } from '../../test/e2e/support/load.ts';
import { LoopImage, noLoopMounts } from '../../test/e2e/support/loop-image.ts';

const KINDS = ['a follower', 'the leader', 'all at once'] as const;
type Kind = (typeof KINDS)[number];

const RECORDS_BEFORE_CUT = 100;
const PAUSE_MS_MAX = 150;
const IN_FLIGHT = 32;
const FLAGS = ['--segment-mib', '1'];

export interface PowerCutResult {
  readonly cuts: Record<Kind, number>;
  /** Nodes that found a write that was never finished. */
  readonly tornTails: number;
  readonly acknowledged: number;
  readonly unknown: number;
  /** Of these, how many were stored. */
  readonly unknownStored: number;
  readonly verdict: Verdict;
}

export interface PowerCutOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Nodes that never sync, which must lose records: what was there when the first cut came is all that is sure to be there. */
  readonly isUnsafe?: boolean;
  readonly onRound?: (line: string) => void;
}

/**
 * Three real nodes, each on a file system of its own, under load. Each round some of them stop in the middle of what they
 * do, and go on from what had reached their disks.
 */
export async function cutPower({
  rounds,
  seed,
  isUnsafe = false,
  onRound,
}: PowerCutOptions): Promise<PowerCutResult> {
  const prng = new Prng(seed);
  const images = new Map<string, LoopImage>();
  const cluster = await Cluster.start(3, isUnsafe ? [...FLAGS, '--unsafe-no-sync'] : FLAGS, (made) => {
    for (const id of made.ids)
      images.set(id, new LoopImage(path.join(made.directory, `${id}.image`), made.dataDirectory(id)));
  });
  try {
    const writer = await Writer.start(cluster.endpoints, 'w', IN_FLIGHT);
    const cuts: Record<Kind, number> = { 'a follower': 0, 'the leader': 0, 'all at once': 0 };
    let tornTails = 0;
    if (isUnsafe) for (const image of images.values()) image.settle();
    for (let round = 0; round < rounds; round += 1) {
      const kind = isUnsafe ? 'all at once' : (KINDS[round % KINDS.length] ?? 'all at once');
      await writer.more(RECORDS_BEFORE_CUT);
      await delay(prng.below(PAUSE_MS_MAX));
      const victims = victimsOf(kind, await cluster.leader(), cluster.ids, prng);
      tornTails += await cut(cluster, images, victims);
      cuts[kind] += 1;
      await cluster.untilStatus(
        (status) => status.leaderId !== null && status.nodes.every((node) => node.reachable),
      );
      onRound?.(`round ${round + 1}: ${victims.join(', ')} (${kind})`);
    }
    await writer.more(RECORDS_BEFORE_CUT);
    const written = await writer.stop();
    await cluster.converged();
    const log = await readAll(cluster.endpoints);
    const stored = new Set(log.map(({ payload }) => payload));
    return {
      cuts,
      tornTails,
      acknowledged: written.acknowledged.length,
      unknown: written.unknown.length,
      unknownStored: written.unknown.filter((payload) => stored.has(payload)).length,
      verdict: judge([written], log),
    };
  } finally {
    for (const id of cluster.ids) await cluster.kill(id);
    for (const image of images.values()) image.unmount();
    await cluster.stop();
  }
}

function victimsOf(kind: Kind, leader: string, ids: readonly string[], prng: Prng): readonly string[] {
  if (kind === 'all at once') return ids;
  if (kind === 'the leader') return [leader];
  const followers = ids.filter((id) => id !== leader);
  return followers.slice(prng.below(followers.length)).slice(0, 1);
}

/** @returns how many of them had a torn tail. */
async function cut(
  cluster: Cluster,
  images: ReadonlyMap<string, LoopImage>,
  victims: readonly string[],
): Promise<number> {
  for (const id of victims) cluster.node(id).signal('SIGSTOP');
  for (const id of victims) images.get(id)?.copy();
  for (const id of victims) await cluster.kill(id);
  let tornTails = 0;
  for (const id of victims) {
    images.get(id)?.comeBack();
    const report = verifyLog(new FileDisk(), cluster.dataDirectory(id));
    if (!report.ok) throw new Error(`${id} calls its log damaged: ${JSON.stringify(report.firstBad)}`);
    if (report.tornBytes > 0) tornTails += 1;
  }
  for (const id of victims) cluster.startNode(id);
  return tornTails;
}

/** The campaign: rounds of each kind in turn, and what became of every record. */
export async function powerCuts(rounds: number, seed: number, isUnsafe: boolean): Promise<boolean> {
  if (noLoopMounts !== null) return false;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const result = await cutPower({ rounds, seed, isUnsafe, onRound: say });
  const { cuts, tornTails, acknowledged, unknown, unknownStored, verdict } = result;
  const { lost, duplicated, moved, invented } = verdict;
  say(`power cuts: ${KINDS.map((kind) => `${kind} ${cuts[kind]}`).join(', ')}; ${tornTails} torn tails`);
  say(
    `acknowledged ${acknowledged}, lost ${lost.length}, moved ${moved.length}, duplicated ${duplicated.length}, invented ${invented.length}`,
  );
  say(`unknown ${unknown}, of which stored ${unknownStored}`);
  const faults = lost.length + moved.length + duplicated.length + invented.length;
  // Without syncs records must get lost, or this proves nothing.
  const isGood = isUnsafe ? lost.length > 0 : faults === 0;
  say(isGood ? 'good' : 'BAD');
  return isGood;
}
