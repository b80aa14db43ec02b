import type { Client } from '../src/client/index.ts';

/** Entries that may be on their way to a follower that has caught up. */
const BEHIND_MAX = 64;

/** @returns who leads, if all nodes are up, follow it, and have what it has but for what is on its way; else null. */
export async function leaderOfAll(client: Client, size: number): Promise<string | null> {
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
