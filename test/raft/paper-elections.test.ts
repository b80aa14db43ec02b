import { describe, expect, test } from 'vitest';
import type { PeerMessage } from '../../src/base/peer-message.ts';
import { Prng } from '../../src/base/prng.ts';
import {
  becomeCandidate,
  becomeLeader,
  becomePreCandidate,
  becomeUnsyncedCandidate,
} from './support/campaigns.ts';
import { logOf, n1, n2, n3, n4, n5, quintet } from './support/logs.ts';
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
  voteResponse,
} from './support/messages.ts';
import { Replica } from './support/replica.ts';

// Sections 5.1, 5.2 and 5.4.1 and the matching rules of figure 2. A test is named after the sentence that it tests.

const log = logOf([1, 1, 2]);
const log5 = logOf([1, 1, 2], quintet);
const longTimeout = 30;

describe('5.1: terms', () => {
  const fromHigherTerm: [string, PeerMessage][] = [
    ['AppendEntries', appendEntries(n2, n1, { term: 9, log, after: 3 })],
    ['Heartbeat', heartbeat(n2, n1, 9)],
    ['RequestVote', requestVote(n2, n1, { term: 9, log })],
    ['RequestVoteResponse', voteResponse(n2, n1, 9, 'voted-for-other')],
    ['PreVoteResponse (refused)', preVoteResponse(n2, n1, 9, 'stale-term')],
    ['AppendEntriesResponse', appendResponse(n2, n1, 9, 0)],
    ['HeartbeatResponse', heartbeatResponse(n2, n1, 9, 1)],
  ];
  const states: [string, (replica: Replica) => void][] = [
    ['follower', () => {}],
    ['preCandidate', becomePreCandidate],
    ['candidate', becomeCandidate],
    ['leader', becomeLeader],
  ];
  const cases = states.flatMap(([role, become]) =>
    // A leader does not grant votes while it leads: it has its own lease (see stickiness).
    fromHigherTerm
      .filter(([name]) => !(role === 'leader' && name === 'RequestVote'))
      .map(([name, message]): [string, string, (replica: Replica) => void, PeerMessage] => [
        role,
        name,
        become,
        message,
      ]),
  );

  test.each(cases)(
    'a %s that hears a higher term in %s: "set currentTerm = T, convert to follower"',
    (role, _name, become, message) => {
      const replica = new Replica({ log });
      become(replica);
      expect(replica.core.role).toBe(role);
      replica.hear(message);
      expect(replica.core.role).toBe('follower');
      expect(replica.core.term).toBe(9);
      expect(replica.disk.durableHardState.term).toBe(9);
    },
  );

  test('"current terms are exchanged whenever servers communicate": every answer carries the newer term', () => {
    const stale: [PeerMessage, PeerMessage['type']][] = [
      [appendEntries(n2, n1, { term: 1, log: log.slice(0, 2), after: 1 }), 'AppendEntriesResponse'],
      [heartbeat(n2, n1, 1), 'HeartbeatResponse'],
      [requestVote(n2, n1, { term: 1, log }), 'RequestVoteResponse'],
      [preVote(n2, n1, { term: 1, log }), 'PreVoteResponse'],
    ];
    for (const [message, answer] of stale) {
      const replica = new Replica({ log, term: 5 });
      expect(oneOf(answer, replica.hear(message))).toMatchObject({ to: n2, term: 5 });
    }
  });

  test('"if a server receives a request with a stale term number, it rejects the request"', () => {
    const replica = new Replica({ log, term: 5 });
    replica.hear(appendEntries(n2, n1, { term: 4, log: logOf([1, 1, 2, 4]), after: 3, commit: 4 }));
    replica.hear(heartbeat(n2, n1, 4, 3));
    const [refusal] = ofType('RequestVoteResponse', replica.hear(requestVote(n2, n1, { term: 4, log })));
    expect(refusal?.verdict).toBe('stale-term');
    expect(replica.core.leader).toBe(null);
    expect(replica.core.commitIndex).toBe(1);
    expect(replica.disk.durableLog).toHaveLength(3);
    expect(replica.disk.durableHardState).toEqual({ term: 5, votedFor: null });
  });

  test('terms "increase monotonically" and survive a restart', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 7));
    replica.disk.crash();
    replica.restart();
    expect(replica.core.term).toBe(7);
    replica.hear(heartbeat(n3, n1, 6));
    expect(replica.core.term).toBe(7);
    expect(replica.core.leader).toBe(null);
  });

  test('a message for somebody else or from itself changes nothing', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n3, 9), heartbeat(n1, n1, 9), requestVote(n2, n3, { term: 9, log }));
    expect(replica.core.term).toBe(2);
    expect(replica.core.leader).toBe(null);
  });
});

describe('5.2: followers', () => {
  test('"when servers start up, they begin as followers"', () => {
    expect(new Replica({ log }).core.role).toBe('follower');
    expect(new Replica().core.role).toBe('follower');
  });

  test('followers "issue no requests on their own"', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    replica.tick(14);
    expect(replica.settle()).toEqual([]);
  });

  test('"if a follower receives no communication over the election timeout, it begins an election"', () => {
    const replica = new Replica({ log });
    replica.tick(14);
    expect(replica.settle()).toEqual([]);
    expect(becomePreCandidate(replica).map((message) => [message.type, message.to])).toEqual([
      ['PreVote', n2],
      ['PreVote', n3],
    ]);
  });

  test.each([
    ['a heartbeat', heartbeat(n2, n1, 2)],
    ['AppendEntries', appendEntries(n2, n1, { term: 2, log, after: 3 })],
    ['a vote that it grants', requestVote(n3, n1, { term: 3, log })],
  ])('%s restarts the election timeout', (_name, message) => {
    const fresh = new Replica({ log });
    const ticksUntilCampaign = ticksUntil(fresh, () => fresh.core.role !== 'follower');
    const reset = new Replica({ log });
    reset.tick(14);
    reset.hear(message);
    expect(ticksUntil(reset, () => reset.core.role !== 'follower')).toBeGreaterThanOrEqual(
      ticksUntilCampaign,
    );
  });

  test.each([
    ['a vote that it refuses', requestVote(n3, n1, { term: 3, log: log.slice(0, 2) })],
    ['a heartbeat of an old term', heartbeat(n2, n1, 1)],
    ['AppendEntries of an old term', appendEntries(n2, n1, { term: 1, log: log.slice(0, 2), after: 2 })],
    ['a pre-vote that it grants', preVote(n3, n1, { term: 3, log })],
  ])('%s does not restart the election timeout', (_name, message) => {
    const fresh = new Replica({ log });
    const expected = ticksUntil(fresh, () => fresh.core.role !== 'follower');
    const replica = new Replica({ log });
    replica.tick(14);
    replica.hear(message);
    expect(ticksUntil(replica, () => replica.core.role !== 'follower')).toBe(expected - 14);
  });

  test('"election timeouts are chosen randomly from a fixed interval" and drawn anew each time', () => {
    const drawn = new Set<number>();
    for (let seed = 1; seed <= 40; seed += 1) {
      const replica = new Replica({ log, raft: { prng: new Prng(seed) } });
      for (let round = 0; round < 5; round += 1) {
        replica.hear(heartbeat(n2, n1, 2));
        const ticks = ticksUntil(replica, () => replica.core.role !== 'follower');
        expect(ticks).toBeGreaterThanOrEqual(15);
        expect(ticks).toBeLessThanOrEqual(longTimeout + 1);
        drawn.add(ticks);
      }
    }
    expect(drawn.size).toBeGreaterThan(10);
    const replica = new Replica({ log, raft: { prng: new Prng(1) } });
    const ofOneNode = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      replica.hear(heartbeat(n2, n1, 2));
      ofOneNode.add(ticksUntil(replica, () => replica.core.role !== 'follower'));
    }
    expect(ofOneNode.size).toBeGreaterThan(5);
  });
});

describe('5.2: candidates', () => {
  test('"increments its current term, votes for itself, issues RequestVote in parallel to each other server"', () => {
    const replica = new Replica({ log: log5, members: quintet, votedFor: n3 });
    const asked = ofType('RequestVote', becomeCandidate(replica));
    expect(asked.map((message) => message.to)).toEqual([n2, n3, n4, n5]);
    for (const message of asked)
      expect(message).toMatchObject({ term: 3, lastIndex: 3, lastTerm: 2, from: n1 });
    expect(replica.disk.durableHardState).toEqual({ term: 3, votedFor: n1 });
  });

  test('RequestVote leaves at once, before the own vote is durable', () => {
    const replica = new Replica({ log });
    expect(ofType('RequestVote', becomeUnsyncedCandidate(replica))).toHaveLength(2);
    expect(replica.disk.durableHardState).toEqual({ term: 2, votedFor: null });
  });

  test('the own vote counts only after it is durable', () => {
    const replica = new Replica({ log });
    becomeUnsyncedCandidate(replica);
    replica.step(voteResponse(n2, n1, 3));
    replica.drain();
    expect(replica.core.role).toBe('candidate');
    replica.sync();
    expect(replica.core.role).toBe('leader');
  });

  test('it never leads a term that its disk does not know, however many others vote for it', () => {
    // It would forget that it led, be given the same votes again, and write other entries of the same index and term.
    const replica = new Replica({ log });
    becomeUnsyncedCandidate(replica);
    replica.step(voteResponse(n2, n1, 3), voteResponse(n3, n1, 3));
    expect(ofType('AppendEntries', replica.drain()).map((one) => one.term)).toEqual([]);
    expect(replica.core.role).toBe('candidate');
    replica.sync();
    expect(replica.core.role).toBe('leader');
  });

  test('"a candidate wins an election if it receives votes from a majority of the full cluster": 2 of 3', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    replica.hear(voteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('leader');
    expect(replica.core.leader).toBe(n1);
  });

  test('"a candidate wins an election if it receives votes from a majority of the full cluster": 3 of 5', () => {
    const replica = new Replica({ log: log5, members: quintet });
    becomeCandidate(replica);
    replica.hear(voteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('candidate');
    replica.hear(voteResponse(n5, n1, 3));
    expect(replica.core.role).toBe('leader');
  });

  test('a single server elects itself once its vote is durable', () => {
    const replica = new Replica({ log: logOf([1, 1], [n1]), members: [n1] });
    for (let count = 0; count < 60 && replica.core.term === 1; count += 1) {
      replica.tick();
      replica.drain();
    }
    expect(replica.core.role).toBe('candidate');
    replica.settle();
    expect(replica.core.role).toBe('leader');
    expect(replica.core.commitIndex).toBe(3);
  });

  test('votes "for the same term" count: not those of another one', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    replica.hear(voteResponse(n2, n1, 2));
    expect(replica.core.role).toBe('candidate');
  });

  test('one server has one vote, however often its answer arrives', () => {
    const replica = new Replica({ log: log5, members: quintet });
    becomeCandidate(replica);
    replica.hear(voteResponse(n3, n1, 3), voteResponse(n3, n1, 3), voteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('candidate');
  });

  test('only a member has a vote', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    replica.hear(voteResponse(n5, n1, 3), voteResponse(n4, n1, 3));
    expect(replica.core.role).toBe('candidate');
  });

  test('refusals do not elect', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    replica.hear(voteResponse(n2, n1, 3, 'voted-for-other'), voteResponse(n3, n1, 3, 'log-behind'));
    expect(replica.core.role).not.toBe('leader');
  });

  test.each([
    ['a heartbeat', heartbeat(n2, n1, 3)],
    ['AppendEntries', appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3 })],
  ])(
    '%s from a leader whose term "is at least as large": "recognizes the leader as legitimate"',
    (_name, message) => {
      const replica = new Replica({ log });
      becomeCandidate(replica);
      replica.hear(message);
      expect(replica.core.role).toBe('follower');
      expect(replica.core.leader).toBe(n2);
      expect(replica.disk.durableHardState).toEqual({ term: 3, votedFor: n1 });
    },
  );

  test('a leader of a smaller term: "rejects the RPC and continues in candidate state"', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    replica.hear(heartbeat(n2, n1, 2), appendEntries(n2, n1, { term: 2, log, after: 2 }));
    expect(replica.core.role).toBe('candidate');
  });

  test('"each candidate will time out and start a new election by incrementing its term"', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    const again = ofType('PreVote', replica.tickUntilHeard());
    expect(again.map((message) => message.term)).toEqual([4, 4]);
    replica.hear(preVoteResponse(n2, n1, 4));
    expect(replica.core.term).toBe(4);
    expect(replica.core.role).toBe('candidate');
  });

  test('a candidate grants nobody else a vote in its term', () => {
    const replica = new Replica({ log });
    becomeCandidate(replica);
    const answer = oneOf('RequestVoteResponse', replica.hear(requestVote(n2, n1, { term: 3, log })));
    expect(answer).toMatchObject({ term: 3, verdict: 'voted-for-other' });
  });
});

describe('5.2 and figure 2: voters', () => {
  test('"vote for at most one candidate in a given term, on a first-come-first-served basis"', () => {
    const replica = new Replica({ log });
    const first = oneOf('RequestVoteResponse', replica.hear(requestVote(n2, n1, { term: 3, log })));
    const second = oneOf('RequestVoteResponse', replica.hear(requestVote(n3, n1, { term: 3, log })));
    expect(first).toMatchObject({ to: n2, term: 3, verdict: 'granted' });
    expect(second).toMatchObject({ to: n3, term: 3, verdict: 'voted-for-other' });
  });

  test('"votedFor is null or candidateId": the same candidate is told again', () => {
    const replica = new Replica({ log });
    const answers = replica.hear(
      requestVote(n2, n1, { term: 3, log }),
      requestVote(n2, n1, { term: 3, log }),
    );
    expect(ofType('RequestVoteResponse', answers).map((answer) => answer.verdict)).toEqual([
      'granted',
      'granted',
    ]);
  });

  test('a new term is a new vote', () => {
    const replica = new Replica({ log });
    replica.hear(requestVote(n2, n1, { term: 3, log }));
    const answer = oneOf('RequestVoteResponse', replica.hear(requestVote(n3, n1, { term: 4, log })));
    expect(answer.verdict).toBe('granted');
    expect(replica.disk.durableHardState).toEqual({ term: 4, votedFor: n3 });
  });

  test('votedFor is "updated on stable storage before responding to RPCs"', () => {
    const replica = new Replica({ log });
    replica.step(requestVote(n2, n1, { term: 3, log }));
    expect(replica.drain()).toEqual([]);
    expect(replica.disk.writtenHardState).toEqual({ term: 3, votedFor: n2 });
    replica.sync();
    expect(oneOf('RequestVoteResponse', replica.drain())).toMatchObject({ to: n2, verdict: 'granted' });
  });

  test('a vote that was never durable is never sent, though a later one is', () => {
    const replica = new Replica({ log });
    replica.step(requestVote(n2, n1, { term: 3, log }));
    replica.drain();
    replica.disk.crash();
    replica.restart();
    const answers = replica.hear(requestVote(n3, n1, { term: 3, log }));
    expect(oneOf('RequestVoteResponse', answers)).toMatchObject({ to: n3, verdict: 'granted' });
  });

  test('a vote survives a restart', () => {
    const replica = new Replica({ log });
    replica.hear(requestVote(n2, n1, { term: 3, log }));
    replica.disk.crash();
    replica.restart();
    const answer = oneOf('RequestVoteResponse', replica.hear(requestVote(n3, n1, { term: 3, log })));
    expect(answer.verdict).toBe('voted-for-other');
  });

  test('a refusal need not wait for the disk', () => {
    const replica = new Replica({ log, term: 3, votedFor: n3 });
    replica.step(requestVote(n2, n1, { term: 3, log }));
    expect(oneOf('RequestVoteResponse', replica.drain()).verdict).toBe('voted-for-other');
  });
});

describe('5.4.1: the election restriction', () => {
  const voterLog = logOf([1, 1, 2, 2, 4]);
  test.each([
    ['the same log', [1, 1, 2, 2, 4], true],
    ['a longer log with the same last term', [1, 1, 2, 2, 4, 4], true],
    ['a shorter log with a later last term', [1, 5], true],
    ['a longer log with a later last term', [1, 1, 2, 2, 4, 5], true],
    ['a shorter log with the same last term', [1, 4, 4, 4], false],
    ['a longer log with an earlier last term', [1, 1, 2, 2, 3, 3, 3, 3], false],
    ['an empty log', [], false],
  ])('%s: "up-to-date" is the later last term, then the longer log', (_name, terms, granted) => {
    const replica = new Replica({ log: voterLog });
    const answer = oneOf(
      'RequestVoteResponse',
      replica.hear(requestVote(n2, n1, { term: 9, log: logOf(terms) })),
    );
    expect(answer.verdict).toBe(granted ? 'granted' : 'log-behind');
    expect(answer.term).toBe(9);
    // The higher term is adopted either way.
    expect(replica.disk.durableHardState).toEqual({ term: 9, votedFor: granted ? n2 : null });
  });

  test('a candidate speaks only of what is durable in its log', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 3));
    replica.step(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3 }));
    replica.drain();
    replica.tick(35);
    const [asked] = ofType('PreVote', replica.drain());
    replica.step(preVoteResponse(n2, n1, asked?.term ?? 0));
    const claims = ofType('RequestVote', replica.drain()).map((one) => [one.lastIndex, one.lastTerm]);
    expect(claims.filter(([lastIndex = 0]) => lastIndex > replica.disk.durableLog.length)).toEqual([]);
  });

  test('a vote for a log that was lost in a crash elects nobody', () => {
    // Entry 4 is committed by n2 and n3. n1 has it written, not synced, when it asks n2 for its vote.
    const longer = logOf([1, 1, 2, 2]);
    const candidate = new Replica({ log });
    candidate.hear(heartbeat(n3, n1, 2));
    candidate.step(appendEntries(n3, n1, { term: 2, log: longer, after: 3 }));
    candidate.drain();
    candidate.tick(35);
    candidate.step(preVoteResponse(n2, n1, 3));
    const early = ofType('RequestVote', candidate.drain()).filter((one) => one.to === n2);
    const voter = new Replica({ id: n2, log: longer, commit: 4 });
    const granted = ofType('RequestVoteResponse', voter.hear(...early));
    candidate.disk.crash();
    candidate.restart();
    expect(candidate.core.lastIndex).toBe(3);
    becomeCandidate(candidate);
    // What n2 said to the first candidacy arrives during the second, which is in the same term.
    candidate.hear(...granted);
    expect(candidate.core.role).not.toBe('leader');
  });
});

function ticksUntil(replica: Replica, done: () => boolean): number {
  for (let count = 1; count <= 300; count += 1) {
    replica.tick();
    replica.settle();
    if (done()) return count;
  }
  throw new Error('300 ticks passed');
}
