import type { PeerMessage } from '../../../src/base/peer-message.ts';
import { ofType, preVoteResponse, voteResponse } from './messages.ts';
import type { Replica } from './replica.ts';

// The way to leadership, with the other members played by the test.

/** Lets an election timeout pass. @returns the pre-votes asked for. */
export function becomePreCandidate(replica: Replica): PeerMessage[] {
  const messages = replica.tickUntilHeard();
  if (replica.core.role !== 'preCandidate') throw new Error(`${replica.id} is ${replica.core.role}`);
  return messages;
}

/** Wins the pre-vote. @returns the votes asked for; nothing is synced yet. */
export function becomeUnsyncedCandidate(replica: Replica): PeerMessage[] {
  const asked = ofType('PreVote', becomePreCandidate(replica));
  const quorum = Math.floor(replica.members.length / 2);
  for (const { to, term } of asked.slice(0, quorum)) replica.step(preVoteResponse(to, replica.id, term));
  const messages = replica.drain();
  if (replica.core.role !== 'candidate') throw new Error(`${replica.id} is ${replica.core.role}`);
  return messages;
}

/** The same with the own vote durable. */
export function becomeCandidate(replica: Replica): PeerMessage[] {
  return [...becomeUnsyncedCandidate(replica), ...replica.settle()];
}

/** Wins the vote too. @returns what the new leader says at once; its own entries are not synced yet. */
export function becomeUnsyncedLeader(replica: Replica): PeerMessage[] {
  const asked = ofType('RequestVote', becomeCandidate(replica));
  const quorum = Math.floor(replica.members.length / 2);
  for (const { to, term } of asked.slice(0, quorum)) replica.step(voteResponse(to, replica.id, term));
  const messages = replica.drain();
  if (replica.core.role !== 'leader') throw new Error(`${replica.id} is ${replica.core.role}`);
  return messages;
}

export function becomeLeader(replica: Replica): PeerMessage[] {
  return [...becomeUnsyncedLeader(replica), ...replica.settle()];
}
