import { setTimeout } from 'node:timers/promises';
import type { Client } from '../src/client/index.ts';

/** Entries that may be on their way to a follower that has caught up. */
const BEHIND_MAX = 64;
const POLL_MS = 10;
/** A cluster that is not whole again by then ends the run: its figures would mean nothing. */
const PATIENCE_MS = 60_000;

/** @returns who leads, if all nodes are up, follow it, and have what it has but for what is on its way; else null. */
async function leaderOfAll(client: Client, size: number): Promise<string | null> {
  const { leaderId, nodes } = await client.status();
  const leader = nodes.find(({ status }) => status?.nodeId === leaderId)?.status?.groups[0];
  const isWhole =
    leader?.role === 'leader' &&
    nodes.every(({ status }) => status?.groups[0]?.leaderId === leaderId) &&
    leader.progress.length === size - 1 &&
    leader.progress.every(
      ({ state, matchIndex }) => state === 'replicate' && matchIndex >= leader.commitIndex - BEHIND_MAX,
    );
  return isWhole ? leaderId : null;
}

/**
 * @param isReady what else has to be so.
 * @returns who leads, when all nodes are up, follow it and have caught up. @throws after a minute.
 */
export async function untilWhole(
  client: Client,
  size: number,
  isReady: () => boolean = () => true,
): Promise<string> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const leader = await leaderOfAll(client, size);
    if (leader !== null && isReady()) return leader;
    if (performance.now() > endMs)
      throw new Error(`the cluster is not whole again after ${PATIENCE_MS / 1000} s`);
    await setTimeout(POLL_MS);
  }
}
