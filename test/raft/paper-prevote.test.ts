import { describe, expect, test } from 'vitest';
import { mutationsOf, type Mutation } from '../../src/base/mutations.ts';
import { becomeCandidate, becomeLeader, becomePreCandidate } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, quintet, trio } from './support/logs.ts';
import {
  appendEntries,
  appendResponse,
  heartbeat,
  heartbeatResponse,
  ofType,
  oneOf,
  preVote,
  preVoteResponse,
  requestVote,
  timeoutNow,
} from './support/messages.ts';
import { Replica } from './support/replica.ts';

// The dissertation's 9.6 (PreVote), 4.2.3 (disruptive servers) and 6.2 (a leader without a majority steps down).

const log = logOf([1, 1, 2]);
const log5 = logOf([1, 1, 2], quintet);

function logsOf(ids: readonly string[], each = log): Record<string, typeof log> {
  return Object.fromEntries(ids.map((id) => [id, each]));
}

describe('9.6: PreVote', () => {
  test('"a candidate only increments its term if it first learns from a majority that they would vote for it"', () => {
    const replica = new Replica({ log: log5, members: quintet });
    const asked = ofType('PreVote', becomePreCandidate(replica));
    expect(asked.map((one) => [one.to, one.term, one.lastIndex, one.lastTerm])).toEqual(
      quintet.slice(1).map((id) => [id, 3, 3, 2]),
    );
    expect(replica.core.term).toBe(2);
    replica.hear(preVoteResponse(n2, n1, 3));
    expect(replica.core.term).toBe(2);
    replica.hear(preVoteResponse(n2, n1, 3));
    expect(replica.core.role).toBe('preCandidate');
    replica.hear(preVoteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('candidate');
    expect(replica.core.term).toBe(3);
  });

  test('asking changes neither the term nor the vote, however long it goes on', () => {
    const replica = new Replica({ log, votedFor: n3 });
    replica.tick(500);
    replica.settle();
    expect(replica.core.term).toBe(2);
    expect(replica.disk.durableHardState).toEqual({ term: 2, votedFor: n3 });
    expect(replica.core.status().counters.preVotesStarted).toBeGreaterThan(5);
  });

  test('answering changes neither the term nor the vote, and waits for no disk', () => {
    const replica = new Replica({ log, votedFor: n2 });
    replica.step(preVote(n2, n1, { term: 9, log }), preVote(n3, n1, { term: 9, log }));
    const answers = ofType('PreVoteResponse', replica.drain());
    // The term that was asked about; and unlike a vote it may be granted to any number of candidates.
    expect(answers.map((one) => [one.to, one.term, one.verdict])).toEqual([
      [n2, 9, 'granted'],
      [n3, 9, 'granted'],
    ]);
    expect(replica.disk.writtenHardState).toEqual({ term: 2, votedFor: n2 });
    expect(replica.core.role).toBe('follower');
  });

  test.each([
    ['its log is behind', preVote(n2, n1, { term: 3, log: log.slice(0, 2) }), 'log-behind'],
    ['its term is old', preVote(n2, n1, { term: 1, log }), 'stale-term'],
  ])('"they would vote for it" is judged as for a vote: refused if %s', (_name, message, verdict) => {
    const replica = new Replica({ log });
    expect(oneOf('PreVoteResponse', replica.hear(message))).toMatchObject({ verdict, term: 2 });
  });

  test('a grant for another term does not count', () => {
    const replica = new Replica({ log });
    becomePreCandidate(replica);
    replica.hear(preVoteResponse(n2, n1, 2), preVoteResponse(n3, n1, 4));
    expect(replica.core.role).toBe('preCandidate');
    expect(replica.core.term).toBe(2);
  });

  test('a refused pre-candidate whose term is old adopts the newer one, or it could never win', () => {
    const replica = new Replica({ log });
    becomePreCandidate(replica);
    replica.hear(preVoteResponse(n2, n1, 7, 'stale-term'));
    expect(replica.core.term).toBe(7);
    expect(replica.core.role).toBe('follower');
    expect(ofType('PreVote', replica.tickUntilHeard()).map((one) => one.term)).toEqual([8, 8]);
  });

  test('a pre-candidate that hears the leader of its term follows it', () => {
    const replica = new Replica({ log });
    becomePreCandidate(replica);
    replica.hear(heartbeat(n2, n1, 2));
    expect(replica.core.role).toBe('follower');
    expect(replica.core.leader).toBe(n2);
    replica.hear(preVoteResponse(n2, n1, 3), preVoteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('follower');
    expect(replica.core.term).toBe(2);
  });

  test('"a partitioned server does not increase its term, so when it rejoins it does not disrupt the leader"', () => {
    const cluster = new Cluster({ logs: logsOf(trio) });
    const leader = cluster.elect(n1);
    cluster.isolate(n3);
    for (let round = 0; round < 60; round += 1) cluster.tick(5);
    expect(cluster.at(n3).core.term).toBe(3);
    leader.core.propose([draft('meanwhile')]);
    cluster.settle();
    cluster.heal();
    for (let round = 0; round < 20; round += 1) cluster.tick(5);
    expect(leader.core.role).toBe('leader');
    expect(cluster.all.map((one) => one.core.term)).toEqual([3, 3, 3]);
    cluster.history.mustAgree(cluster.all);
  });
});

describe('4.2.3: "if a server receives a RequestVote within the minimum election timeout of hearing from a current leader"', () => {
  test.each([
    ['RequestVote', requestVote(n3, n1, { term: 9, log })],
    ['PreVote', preVote(n3, n1, { term: 9, log })],
    ['PreVote for a transfer', preVote(n3, n1, { term: 9, log, reason: 'transfer' })],
    [
      'RequestVote of somebody with evidence of his own',
      requestVote(n3, n1, { term: 9, log, reason: 'leader-gone' }),
    ],
  ])('"it does not update its term or grant its vote": %s', (_name, message) => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    replica.tick(14);
    const [answer] = replica.hear(message);
    expect(answer).toMatchObject({ to: n3, term: 2, verdict: 'leader-alive' });
    expect(replica.disk.durableHardState).toEqual({ term: 2, votedFor: null });
    expect(replica.core.leader).toBe(n2);
  });

  test('after the minimum election timeout it votes', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    replica.tick(15);
    const answer = oneOf('RequestVoteResponse', replica.hear(requestVote(n3, n1, { term: 9, log })));
    expect(answer).toMatchObject({ term: 9, verdict: 'granted' });
  });

  test('any word of the current leader renews the lease: an append too', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    replica.tick(14);
    replica.hear(appendEntries(n2, n1, { term: 2, log, after: 3 }));
    replica.tick(14);
    expect(oneOf('RequestVoteResponse', replica.hear(requestVote(n3, n1, { term: 9, log }))).verdict).toBe(
      'leader-alive',
    );
  });

  test('a deposed leader has no lease: its word is of an old term', () => {
    const replica = new Replica({ log, term: 3 });
    replica.hear(heartbeat(n2, n1, 2));
    expect(oneOf('RequestVoteResponse', replica.hear(requestVote(n3, n1, { term: 9, log }))).verdict).toBe(
      'granted',
    );
  });

  test('a leader that hears from its followers is itself a live leader', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(heartbeatResponse(n2, n1, 3, 1), heartbeatResponse(n3, n1, 3, 1));
    const [answer] = replica.hear(requestVote(n3, n1, { term: 9, log: logOf([1, 1, 2, 3]) }));
    expect(answer).toMatchObject({ term: 3, verdict: 'leader-alive' });
    expect(replica.core.role).toBe('leader');
    expect(replica.core.term).toBe(3);
  });

  test('a vote that the leader itself ordered is not refused: "a special flag in RequestVote"', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    const answer = oneOf(
      'RequestVoteResponse',
      replica.hear(requestVote(n3, n1, { term: 3, log, reason: 'transfer' })),
    );
    expect(answer).toMatchObject({ term: 3, verdict: 'granted' });
  });

  test('a server that cannot hear the leader disrupts nobody who can', () => {
    const cluster = new Cluster({ members: quintet, logs: logsOf(quintet, log5) });
    const leader = cluster.elect(n1);
    cluster.cut(n1, n3);
    for (let round = 0; round < 60; round += 1) {
      cluster.tick(5);
      expect(leader.core.role).toBe('leader');
    }
    expect(cluster.all.map((one) => one.core.term)).toEqual([3, 3, 3, 3, 3]);
    expect(cluster.at(n3).core.status().counters.preVotesStarted).toBeGreaterThan(0);
  });
});

describe('without either protection', () => {
  test.each<[string, readonly Mutation[], number]>([
    ['both', [], 0],
    ['stickiness alone', ['campaignsWithoutPreVote'], 0],
    ['PreVote alone', ['votesAgainstLivingLeaders'], 1],
    ['neither', ['campaignsWithoutPreVote', 'votesAgainstLivingLeaders'], 1],
  ])('%s: a follower that hears nothing costs the leader so many terms', (_, names, elections) => {
    const raft = { mutations: mutationsOf(names) };
    const cluster = new Cluster({ logs: logsOf(trio), of: () => ({ raft }) });
    const leader = cluster.elect(n1);
    const { term } = leader.core;
    cluster.cut(n1, n2);
    for (let count = 0; count < 60 && leader.core.role === 'leader'; count += 1) cluster.tick();
    expect(leader.core.role === 'leader' ? 0 : 1).toBe(elections);
    expect(leader.core.term > term).toBe(elections > 0);
  });
});

describe('6.2: "a leader steps down if an election timeout elapses without a round of heartbeats to a majority"', () => {
  test('alone it steps down, in the same term', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    for (let tick = 0; tick < 62 && replica.core.role === 'leader'; tick += 1) {
      replica.tick();
      replica.settle();
    }
    expect(replica.core.role).not.toBe('leader');
    expect(replica.core.term).toBe(3);
    expect(replica.core.status().counters.stepDowns).toBe(1);
    expect(replica.core.propose([draft('a')])).toEqual({ ok: false, refusal: 'not-leader' });
  });

  test('not before an election timeout', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.tick(14);
    replica.settle();
    expect(replica.core.role).toBe('leader');
  });

  test.each([
    ['a heartbeat response', heartbeatResponse(n2, n1, 3, 1)],
    ['an acknowledgement', appendResponse(n2, n1, 3, 4)],
  ])('%s from one of three keeps it', (_name, message) => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4));
    for (let round = 0; round < 20; round += 1) {
      replica.tick(10);
      replica.hear(message);
    }
    expect(replica.core.role).toBe('leader');
  });

  test('a minority of five does not keep it', () => {
    const replica = new Replica({ log: log5, members: quintet });
    becomeLeader(replica);
    for (let round = 0; round < 12; round += 1) {
      replica.tick(5);
      if (replica.core.role === 'leader') replica.hear(heartbeatResponse(n2, n1, 3, 1 + round));
    }
    expect(replica.core.role).not.toBe('leader');
  });

  test('an isolated leader and its successor: it has stepped down, and what it had alone is gone', () => {
    const cluster = new Cluster({ logs: logsOf(trio) });
    const old = cluster.elect(n1);
    cluster.isolate(n1);
    old.core.propose([draft('alone')]);
    for (let round = 0; round < 40 && old.core.role === 'leader'; round += 1) cluster.tick(1, n1);
    expect(old.core.role).not.toBe('leader');
    cluster.forgetLeader(n2, n3);
    cluster.elect(n2).core.propose([draft('by two')]);
    cluster.settle();
    cluster.heal();
    for (let round = 0; round < 10; round += 1) cluster.tick(5, n2);
    cluster.history.mustAgree(cluster.all);
    expect(old.core.leader).toBe(n2);
  });

  test('a follower that answers heartbeats while its acknowledgements stand still does not keep it for ever', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4));
    replica.core.propose([draft('stuck')]);
    replica.settle();
    const resets: string[] = [];
    replica.onReady = (ready) => resets.push(...ready.resetBulkLanes);
    for (let round = 2; round < 40 && replica.core.role === 'leader'; round += 1) {
      replica.tick(5);
      replica.hear(heartbeatResponse(n2, n1, 3, round, 4), heartbeatResponse(n3, n1, 3, round, 0));
    }
    // First the lanes are dialled anew, then somebody else may try.
    expect(resets).toContain(n2);
    expect(replica.core.role).not.toBe('leader');
  });

  test('a leader whose own disk stands still gives up, though its followers answer and acknowledge', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4));
    replica.core.propose([draft('stuck')]);
    replica.drain();
    for (let round = 2; round < 40 && replica.core.role === 'leader'; round += 1) {
      replica.tick(5);
      replica.step(heartbeatResponse(n2, n1, 3, round, 5));
      replica.drain();
    }
    expect(replica.core.commitIndex).toBe(4);
    expect(replica.core.role).not.toBe('leader');
  });
});

describe('a pause of the own process', () => {
  test('is no silence of the leader: the follower waits a whole election timeout after it', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    replica.tick(14);
    replica.core.pauseDetected();
    replica.tick(14);
    expect(replica.settle()).toEqual([]);
    expect(replica.core.role).toBe('follower');
  });

  test('makes a leader ask at once whether it still is one', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.core.pauseDetected();
    expect(ofType('Heartbeat', replica.settle()).map((one) => one.to)).toEqual([n2, n3]);
  });
});

describe('evidence that the leader is gone', () => {
  test('starts a pre-vote at once at the first of the remaining', () => {
    // Among n2 and n3 the smaller id is asked to go first, so that they do not split the vote.
    const replica = new Replica({ id: n2, log });
    replica.hear(heartbeat(n1, n2, 2));
    replica.core.leaderGone(n1);
    const asked = ofType('PreVote', replica.settle());
    expect(asked.map((one) => [one.to, one.reason, one.term])).toEqual(
      expect.arrayContaining([[n3, 'leader-gone', 3]]),
    );
    expect(replica.core.term).toBe(2);
  });

  test('lets the second wait a moment, but not an election timeout', () => {
    const replica = new Replica({ id: n3, log });
    replica.hear(heartbeat(n1, n3, 2));
    replica.core.leaderGone(n1);
    expect(ofType('PreVote', replica.settle())).toEqual([]);
    replica.tick(8);
    expect(ofType('PreVote', replica.settle()).length).toBeGreaterThan(0);
  });

  test('is about the own leader only', () => {
    const replica = new Replica({ id: n2, log });
    replica.hear(heartbeat(n1, n2, 2));
    replica.core.leaderGone(n3);
    expect(replica.settle()).toEqual([]);
    expect(oneOf('PreVoteResponse', replica.hear(preVote(n3, n2, { term: 3, log }))).verdict).toBe(
      'leader-alive',
    );
  });

  test('drops the own lease, so that others may be voted for', () => {
    const replica = new Replica({ id: n3, log });
    replica.hear(heartbeat(n1, n3, 2));
    replica.core.leaderGone(n1);
    expect(
      oneOf('PreVoteResponse', replica.hear(preVote(n2, n3, { term: 3, log, reason: 'leader-gone' })))
        .verdict,
    ).toBe('granted');
    expect(
      oneOf('RequestVoteResponse', replica.hear(requestVote(n2, n3, { term: 3, log, reason: 'leader-gone' })))
        .verdict,
    ).toBe('granted');
  });

  test('of one voter alone does not depose a leader that the others hear', () => {
    const cluster = new Cluster({ logs: logsOf(trio) });
    const leader = cluster.elect(n1);
    for (let round = 0; round < 30; round += 1) {
      cluster.at(n2).core.leaderGone(n1);
      cluster.tick(5);
    }
    expect(leader.core.role).toBe('leader');
    expect(cluster.all.map((one) => one.core.term)).toEqual([3, 3, 3]);
  });

  test('of all of them elects a successor within a few ticks and one term', () => {
    const cluster = new Cluster({ members: quintet, logs: logsOf(quintet, log5) });
    cluster.elect(n1);
    cluster.crash(n1);
    for (const id of quintet.slice(1)) cluster.at(id).core.leaderGone(n1);
    cluster.settle();
    for (let tick = 0; tick < 6 && cluster.leader() === null; tick += 1) cluster.tick(1);
    expect(cluster.leader()?.core.term).toBe(4);
  });

  test('means nothing to a leader, a candidate or somebody without a leader', () => {
    const lost = new Replica({ log });
    lost.core.leaderGone(n2);
    expect(lost.settle()).toEqual([]);
    const candidate = new Replica({ log });
    becomeCandidate(candidate);
    candidate.core.leaderGone(n2);
    expect(candidate.core.role).toBe('candidate');
    const leader = new Replica({ log });
    becomeLeader(leader);
    leader.core.leaderGone(n1);
    leader.core.leaderGone(n2);
    expect(leader.core.role).toBe('leader');
  });
});

test('TimeoutNow of an old leader is ignored', () => {
  const replica = new Replica({ log, term: 5 });
  expect(replica.hear(timeoutNow(n2, n1, 4)).filter((one) => one.type === 'RequestVote')).toEqual([]);
  expect(replica.core.term).toBe(5);
});
