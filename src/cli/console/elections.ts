import { ELECTION_REASONS } from '../election-story.ts';
import type { ClusterEvent, Election } from './model.ts';

/** The last election that these events tell of, by time; null where they tell of none. */
export function lastElection(events: readonly ClusterEvent[]): Election | null {
  let won: ClusterEvent | null = null;
  for (const event of events) {
    if (event.code === 'election-won' && termOf(event) >= (won === null ? 0 : termOf(won))) won = event;
  }
  if (won === null) return null;
  const { node, at, fields } = won;
  const term = termOf(won);
  const campaign = events.findLast(
    (event) => event.code === 'campaign-started' && event.node === node && termOf(event) === term,
  );
  const reason = campaign === undefined ? null : String(campaign.fields['reason']);
  const votes = String(fields['votes'] ?? '').split(',');
  return {
    leader: node,
    term,
    atMs: at,
    why: reason === null ? null : (ELECTION_REASONS[reason] ?? reason),
    votes: `${votes.length} of ${String(fields['voters'] ?? '?')} votes (${votes.join(', ')})`,
    leaderlessMs: leaderlessBefore(events, won),
  };
}

/** From the first sign that the leader before was gone to the win, by the clocks of the nodes that said so. */
function leaderlessBefore(events: readonly ClusterEvent[], won: ClusterEvent): number | null {
  const term = termOf(won);
  let since: number | null = null;
  for (const event of events) {
    if (event.at > won.at) break;
    if (event.code === 'leader-changed' && event.fields['leader'] !== null && termOf(event) < term)
      since = null;
    const isLoss =
      event.code === 'leader-gone' ||
      (event.code === 'leader-changed' && event.fields['leader'] === null) ||
      (event.code === 'role-changed' && event.fields['from'] === 'leader');
    if (isLoss) since ??= event.at;
  }
  return since === null ? null : Math.max(0, won.at - since);
}

export function electionsSince(events: readonly ClusterEvent[], unixMs: number): number {
  return events.filter((event) => event.code === 'election-won' && event.at >= unixMs).length;
}

function termOf(event: ClusterEvent): number {
  return Number(event.fields['term'] ?? 0);
}
