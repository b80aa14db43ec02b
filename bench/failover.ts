import { connect } from '../src/client/index.ts';
import type { BenchCluster } from './processes.ts';

export interface FailoverResult {
  readonly how: 'kill' | 'transfer';
  /** Milliseconds between the last acknowledgement before and the first after, one for each round. */
  readonly gapsMs: readonly number[];
}

/**
 * Writes one record after the other and ends the leader's reign again and again: by SIGKILL, or by a planned transfer.
 * What counts is what a client sees: the longest time without an acknowledgement around each event.
 */
export async function measureFailover(
  cluster: BenchCluster,
  how: 'kill' | 'transfer',
  rounds: number,
): Promise<FailoverResult> {
  const client = await connect({ endpoints: cluster.endpoints });
  const producer = client.createProducer({ inFlightMax: 8 });
  const record = new Uint8Array(256).fill(120);
  const acks: number[] = [];
  let isStopped = false;
  let onAck: (() => void) | null = null;
  const next = (): void => {
    producer.send(record, (error) => {
      if (error === null) acks.push(performance.now());
      if (!isStopped) next();
      onAck?.();
    });
  };
  for (let lane = 0; lane < 4; lane += 1) next();
  const gapsMs: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      await until(async () => (await client.status()).nodes.every((node) => node.status !== null));
      const leader = await leaderOf(client);
      await acked(acks, 200, (wake) => (onAck = wake));
      const eventMs = performance.now();
      if (how === 'kill') await cluster.kill(leader);
      else await client.transferLeadership();
      await acked(acks, 200, (wake) => (onAck = wake));
      gapsMs.push(longestGap(acks, eventMs));
      if (how === 'kill') cluster.startNode(leader);
    }
  } finally {
    isStopped = true;
    producer.close();
    await client.close();
  }
  return { how, gapsMs };
}

function longestGap(acks: readonly number[], eventMs: number): number {
  let longest = 0;
  for (let at = acks.length - 1; at > 0; at -= 1) {
    const from = acks[at - 1] ?? 0;
    const to = acks[at] ?? 0;
    if (to < eventMs) break;
    longest = Math.max(longest, to - from);
  }
  return longest;
}

/** Resolves when so many more were acknowledged. */
async function acked(
  acks: readonly number[],
  count: number,
  onAck: (wake: (() => void) | null) => void,
): Promise<void> {
  const goal = acks.length + count;
  await new Promise<void>((resolve) => {
    onAck(() => {
      if (acks.length < goal) return;
      onAck(null);
      resolve();
    });
  });
}

async function leaderOf(client: Awaited<ReturnType<typeof connect>>): Promise<string> {
  for (;;) {
    const { leaderId } = await client.status();
    if (leaderId !== null) return leaderId;
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}
