import { describe, expect, test } from 'vitest';
import { decodeConfiguration } from '../../src/base/configuration.ts';
import { entryBody, EntryKind } from '../../src/base/entry.ts';
import { incarnation, logIndex, UNKNOWN_INCARNATION } from '../../src/base/units.ts';
import { becomeCandidate, becomeLeader, becomePreCandidate } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, firstIncarnationOf, logOf, n1, n2, n3, trio } from './support/logs.ts';
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
  voteResponse,
} from './support/messages.ts';
import { Replica } from './support/replica.ts';

// Who counts and who votes. Raft takes for granted that a server comes back with its disk; these rules hold where it
// comes back without it, or was never there.

const log = logOf([1, 1, 2]);
const wiped = incarnation(7777);

describe('before a cluster is founded', () => {
  test('a node without log and configuration votes only for candidates whose log is empty too', () => {
    const voter = new Replica();
    const refusal = oneOf('RequestVoteResponse', voter.hear(requestVote(n2, n1, { term: 5, log })));
    expect(refusal.verdict).toBe('not-eligible');
    expect(oneOf('PreVoteResponse', voter.hear(preVote(n2, n1, { term: 6, log }))).verdict).toBe(
      'not-eligible',
    );
    expect(oneOf('RequestVoteResponse', voter.hear(requestVote(n3, n1, { term: 7, log: [] }))).verdict).toBe(
      'granted',
    );
    expect(voter.disk.durableHardState).toEqual({ term: 7, votedFor: n3 });
  });

  test('a node without log votes for one that has a log if a committed configuration names it as who it is', () => {
    const voter = new Replica();
    const own = firstIncarnationOf(n1);
    const asks = { log, voterIncarnation: own };
    const other = { log, voterIncarnation: wiped };
    expect(oneOf('PreVoteResponse', voter.hear(preVote(n2, n1, { ...other, term: 5 }))).verdict).toBe(
      'not-eligible',
    );
    expect(oneOf('RequestVoteResponse', voter.hear(requestVote(n2, n1, { ...other, term: 5 }))).verdict).toBe(
      'not-eligible',
    );
    expect(oneOf('PreVoteResponse', voter.hear(preVote(n2, n1, { ...asks, term: 6 }))).verdict).toBe(
      'granted',
    );
    expect(oneOf('RequestVoteResponse', voter.hear(requestVote(n2, n1, { ...asks, term: 6 }))).verdict).toBe(
      'granted',
    );
    expect(voter.disk.durableHardState).toEqual({ term: 6, votedFor: n2 });
  });

  test('a node without a log that has heard of a cluster neither stands nor votes for the empty', () => {
    const node = new Replica();
    becomePreCandidate(node);
    node.core.clusterHeard();
    expect(node.core.role).toBe('follower');
    // A grant that was under way wins nothing any more.
    node.hear(preVoteResponse(n2, n1, 1));
    expect(node.core.role).toBe('follower');
    node.tick(300);
    expect(ofType('PreVote', node.drain())).toEqual([]);
    expect(node.core.status().ineligibleWhy).toContain('the others have a cluster');
    expect(oneOf('PreVoteResponse', node.hear(preVote(n3, n1, { term: 5, log: [] }))).verdict).toBe(
      'log-behind',
    );
    expect(oneOf('RequestVoteResponse', node.hear(requestVote(n3, n1, { term: 5, log: [] }))).verdict).toBe(
      'log-behind',
    );
    // It may have lost a log: that somebody has one does not make it fit to vote for it.
    expect(oneOf('RequestVoteResponse', node.hear(requestVote(n3, n1, { term: 6, log }))).verdict).toBe(
      'not-eligible',
    );
    node.hear(appendEntries(n3, n1, { term: 6, log, after: 0, commit: 3 }));
    expect(node.core.status().eligible).toBe(true);
  });

  test('a node that the cluster was founded without votes once a committed configuration names it as who it is', () => {
    const founding = logOf([1, 1, 2], trio, (id) =>
      id === n1 ? UNKNOWN_INCARNATION : firstIncarnationOf(id),
    );
    const voter = new Replica({ log: founding, commit: 2 });
    expect(voter.core.status().ineligibleWhy).toContain('founded before n1 was seen');
    const asks = { log: logOf([1, 1, 2, 3, 3]), voterIncarnation: firstIncarnationOf(n1) };
    for (const voterIncarnation of [UNKNOWN_INCARNATION, wiped]) {
      const answers = voter.hear(requestVote(n2, n1, { ...asks, voterIncarnation, term: 5 }));
      expect(oneOf('RequestVoteResponse', answers).verdict).toBe('not-eligible');
    }
    const shorter = voter.hear(requestVote(n2, n1, { ...asks, log: founding.slice(0, 2), term: 6 }));
    expect(oneOf('RequestVoteResponse', shorter).verdict).toBe('log-behind');
    expect(oneOf('PreVoteResponse', voter.hear(preVote(n2, n1, { ...asks, term: 7 }))).verdict).toBe(
      'granted',
    );
    expect(oneOf('RequestVoteResponse', voter.hear(requestVote(n2, n1, { ...asks, term: 7 }))).verdict).toBe(
      'granted',
    );
    expect(voter.disk.durableHardState).toEqual({ term: 7, votedFor: n2 });
    // A wiped disk is another matter: which incarnation counts is for the committed configurations that it knows.
    const replaced = new Replica({ log, incarnation: wiped });
    const named = replaced.hear(requestVote(n2, n1, { ...asks, voterIncarnation: wiped, term: 7 }));
    expect(oneOf('RequestVoteResponse', named).verdict).toBe('not-eligible');
  });

  test('a candidate says who the voters are by what is committed, and by nothing less', () => {
    const asked = ofType('PreVote', becomePreCandidate(new Replica()));
    expect(asked.map((one) => [one.to, one.voterIncarnation])).toEqual([
      [n2, UNKNOWN_INCARNATION],
      [n3, UNKNOWN_INCARNATION],
    ]);
  });

  test('a node that belongs to one, and lost its log before it was synced, helps nobody to found another', () => {
    const node = new Replica({ belongsToCluster: true });
    node.tick(300);
    expect(node.settle()).toEqual([]);
    expect(node.core.status().ineligibleWhy).toContain('nothing of its log');
    expect(oneOf('PreVoteResponse', node.hear(preVote(n2, n1, { term: 1, log: [] }))).verdict).toBe(
      'log-behind',
    );
    expect(oneOf('RequestVoteResponse', node.hear(requestVote(n2, n1, { term: 1, log: [] }))).verdict).toBe(
      'log-behind',
    );
    // Who has a log may have what founded it.
    expect(oneOf('RequestVoteResponse', node.hear(requestVote(n3, n1, { term: 2, log }))).verdict).toBe(
      'granted',
    );
    node.hear(appendEntries(n3, n1, { term: 2, log, after: 0, commit: 3 }));
    expect(node.core.status().eligible).toBe(true);
  });

  test('all bootstrap members count', () => {
    const founder = new Replica({ acquainted: false });
    becomeLeader(founder);
    expect(founder.core.role).toBe('leader');
    founder.hear(appendResponse(n3, n1, founder.core.term, 1));
    expect(founder.core.commitIndex).toBe(1);
  });

  test('the first leader founds it by entry 1, with the incarnations it knows', () => {
    const founder = new Replica({ acquainted: false });
    founder.core.peerIdentified(n2, firstIncarnationOf(n2), 0);
    becomeLeader(founder);
    const [first, ...more] = founder.disk.durableLog;
    expect(more).toEqual([]);
    expect(first).toMatchObject({ index: 1, kind: EntryKind.configuration });
    const { members } = decodeConfiguration(entryBody(first!));
    expect(members.map((one) => [one.id, one.incarnation])).toEqual([
      [n1, firstIncarnationOf(n1)],
      [n2, firstIncarnationOf(n2)],
      [n3, 0],
    ]);
  });

  test('there is no configuration before it is committed', () => {
    const founder = new Replica();
    becomeLeader(founder);
    expect(founder.core.status().configuration).toBe(null);
    founder.hear(appendResponse(n2, n1, founder.core.term, 1));
    expect(founder.core.status().configuration?.members).toHaveLength(3);
    expect(founder.events).toContainEqual(
      expect.objectContaining({ type: 'configuration-committed', index: 1 }),
    );
  });

  test('a member that was not there at the foundation is entered once it is', () => {
    const cluster = new Cluster({ of: () => ({ acquainted: false }) });
    for (const [one, other] of [
      [n1, n2],
      [n2, n1],
    ] as const) {
      cluster.at(one).core.peerIdentified(other, firstIncarnationOf(other), 0);
    }
    cluster.isolate(n3);
    const leader = cluster.elect(n1);
    leader.core.propose([draft('a')]);
    cluster.settle();
    expect(leader.core.status().progress.find((one) => one.id === n3)?.counts).toBe(false);
    cluster.heal();
    for (const id of [n1, n2]) {
      cluster.at(id).core.peerIdentified(n3, firstIncarnationOf(n3), 0);
      cluster.at(n3).core.peerIdentified(id, firstIncarnationOf(id), 0);
    }
    cluster.tick(20, n1);
    expect(leader.core.status().progress.find((one) => one.id === n3)?.counts).toBe(true);
    expect(cluster.at(n3).core.status().configuration?.members[2]?.incarnation).toBe(firstIncarnationOf(n3));
    cluster.history.mustAgree(cluster.all);
  });
});

describe('a member whose disk was wiped', () => {
  /** n1 leads term 3; n3 shows up with another incarnation than the committed configuration names. */
  function leaderThatMet(met: number): Replica {
    const replica = new Replica({ log });
    replica.core.peerIdentified(n3, incarnation(met), 0);
    becomeCandidate(replica);
    replica.hear(voteResponse(n2, n1, 3));
    expect(replica.core.role).toBe('leader');
    return replica;
  }

  test('has no vote', () => {
    const replica = new Replica({ log });
    replica.core.peerIdentified(n3, wiped, 0);
    const asked = ofType('PreVote', replica.tickUntilHeard());
    replica.hear(preVoteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('preCandidate');
    replica.hear(preVoteResponse(n2, n1, asked[0]!.term));
    replica.hear(voteResponse(n3, n1, 3));
    expect(replica.core.role).toBe('candidate');
  });

  test('has no vote with a candidate that cannot know what is committed, either', () => {
    // Entry 4 was committed by n2 and by n3 before n3 lost it. n1 has just restarted without any hint of the commit
    // index; were n3 to count for it, the two that lack entry 4 would elect n1.
    const replica = new Replica({ log, commit: 0 });
    replica.core.peerIdentified(n3, wiped, 0);
    replica.tickUntilHeard();
    replica.hear(preVoteResponse(n3, n1, 3));
    replica.hear(voteResponse(n3, n1, 3));
    expect(replica.core.role).not.toBe('leader');
  });

  test('does not count for a commit, and neither does one that nobody has identified', () => {
    const replica = leaderThatMet(wiped);
    replica.hear(appendResponse(n3, n1, 3, 4));
    expect(replica.core.commitIndex).toBe(1);
    expect(replica.core.status().progress.map((one) => [one.id, one.counts])).toEqual([
      [n2, true],
      [n3, false],
    ]);
    const unknown = new Replica({ log, acquainted: false });
    expect(unknown.tickUntilHeard().length).toBeGreaterThan(0);
    unknown.hear(
      preVoteResponse(n2, n1, 3),
      preVoteResponse(n3, n1, 3),
      voteResponse(n2, n1, 3),
      voteResponse(n3, n1, 3),
    );
    expect(unknown.core.role).not.toBe('leader');
  });

  test('does not keep a leader, and does not confirm a read', () => {
    const replica = leaderThatMet(wiped);
    replica.hear(appendResponse(n2, n1, 3, 4));
    replica.core.readIndex(1);
    for (let round = 1; round < 20; round += 1) {
      replica.tick(5);
      replica.hear(heartbeatResponse(n3, n1, 3, round + 100));
    }
    expect(replica.reads).toEqual([]);
    expect(replica.core.role).not.toBe('leader');
  });

  test('is entered anew by a configuration that the others commit without it', () => {
    const replica = leaderThatMet(wiped);
    expect(configurationsOf(replica)).toEqual([1]);
    // Not before the leader's own term has begun.
    replica.hear(appendResponse(n2, n1, 3, 4));
    expect(configurationsOf(replica)).toEqual([1, 5]);
    const { members } = decodeConfiguration(entryBody(replica.disk.durableLog[4]!));
    expect(members[2]).toMatchObject({ id: n3, incarnation: wiped });
    // It receives entries meanwhile, but its acknowledgement of its own admission is worth nothing.
    replica.hear(appendResponse(n3, n1, 3, 5));
    expect(replica.core.commitIndex).toBe(4);
    replica.hear(appendResponse(n2, n1, 3, 5));
    expect(replica.core.commitIndex).toBe(5);
    expect(replica.core.status().progress.find((one) => one.id === n3)?.counts).toBe(true);
    replica.core.propose([draft('a')]);
    replica.settle();
    replica.hear(appendResponse(n3, n1, 3, 6));
    expect(replica.core.commitIndex).toBe(6);
  });

  test('is entered once, however often it introduces itself', () => {
    const replica = leaderThatMet(wiped);
    replica.hear(appendResponse(n2, n1, 3, 4));
    for (let round = 0; round < 5; round += 1) {
      replica.core.peerIdentified(n3, wiped, 0);
      replica.settle();
    }
    expect(configurationsOf(replica)).toEqual([1, 5]);
  });

  test('itself neither votes nor campaigns until it is entered, and says why', () => {
    const node = new Replica({ log, incarnation: wiped });
    expect(node.core.status().eligible).toBe(false);
    expect(node.core.status().ineligibleWhy).toEqual(expect.stringMatching(/\S/));
    expect(oneOf('RequestVoteResponse', node.hear(requestVote(n2, n1, { term: 5, log }))).verdict).toBe(
      'not-eligible',
    );
    expect(oneOf('PreVoteResponse', node.hear(preVote(n2, n1, { term: 6, log }))).verdict).toBe(
      'not-eligible',
    );
    node.hear(heartbeat(n2, n1, 7));
    expect(ofType('RequestVote', node.hear(timeoutNow(n2, n1, 7)))).toEqual([]);
    node.tick(200);
    expect(node.settle()).toEqual([]);
    expect(node.disk.durableHardState.votedFor).toBe(null);
  });

  test('comes back in a whole cluster, while another node fails afterwards', () => {
    const logs = { [n1]: log, [n2]: log };
    const cluster = new Cluster({ logs, of: (id) => (id === n3 ? { incarnation: wiped } : {}) });
    for (const id of [n1, n2]) cluster.at(id).core.peerIdentified(n3, wiped, 0);
    const leader = cluster.elect(n1);
    leader.core.propose([draft('a')]);
    cluster.tick(20, n1);
    cluster.history.mustAgree(cluster.all);
    expect(cluster.at(n3).core.status().eligible).toBe(true);
    cluster.crash(n2);
    leader.core.propose([draft('b')]);
    cluster.settle();
    expect(leader.core.commitIndex).toBe(leader.core.lastIndex);
  });
});

describe('a member whose disk is wiped under a leader that knows its old log', () => {
  test('is brought up again from nothing', () => {
    const cluster = new Cluster({ logs: { [n1]: log, [n2]: log, [n3]: log } });
    const leader = cluster.elect(n1);
    leader.core.propose([draft('a')]);
    cluster.settle();
    const before = leader.core.status().progress.find((one) => one.id === n3);
    expect(before?.matchIndex).toBe(5);
    cluster.crash(n3);
    cluster.at(n3).wipe(wiped);
    cluster.start(n3);
    for (const id of [n1, n2]) cluster.at(id).core.peerIdentified(n3, wiped, 0);
    // What the old disk had is not there any more, and must not be counted as if it were.
    const after = leader.core.status().progress.find((one) => one.id === n3);
    expect(after).toMatchObject({ matchIndex: 0, counts: false });
    cluster.tick(20, n1);
    cluster.history.mustAgree(cluster.all);
    expect(cluster.at(n3).core.status().eligible).toBe(true);
  });
});

describe('a node whose hard state is not to be trusted', () => {
  test('never votes and never campaigns, and says why', () => {
    const node = new Replica({ log, hardStateTrusted: false });
    expect(node.core.status().eligible).toBe(false);
    expect(node.core.status().ineligibleWhy).toEqual(expect.stringMatching(/\S/));
    expect(oneOf('RequestVoteResponse', node.hear(requestVote(n2, n1, { term: 9, log }))).verdict).toBe(
      'not-eligible',
    );
    node.tick(300);
    expect(node.settle()).toEqual([]);
    node.hear(heartbeat(n2, n1, 10));
    expect(ofType('RequestVote', node.hear(timeoutNow(n2, n1, 10)))).toEqual([]);
    expect(node.disk.durableHardState.votedFor).toBe(null);
  });

  test('keeps what it is sent and says nothing: it may have promised a later leader not to acknowledge this one', () => {
    const node = new Replica({ log, hardStateTrusted: false });
    const append = appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3, commit: 4 });
    expect(node.hear(append, heartbeat(n2, n1, 3, 4))).toEqual([]);
    expect(node.disk.durableLog).toHaveLength(4);
    expect(node.core.commitIndex).toBe(4);
  });

  test('never leads an empty cluster of its own, either', () => {
    const node = new Replica({ hardStateTrusted: false });
    node.tick(300);
    expect(node.settle()).toEqual([]);
  });
});

describe('a restarted node', () => {
  test('goes on with the configuration that was known to be committed', () => {
    const replica = new Replica({ log, commit: 2 });
    expect(replica.core.commitIndex).toBe(2);
    expect(replica.core.status().configuration?.members.map((one) => one.id)).toEqual(trio);
  });

  test('takes a configuration that is not known to be committed into use when it commits', () => {
    const replica = new Replica({ log, commit: 0 });
    expect(replica.core.status().configuration).toBe(null);
    replica.hear(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3, commit: 4 }));
    expect(replica.core.status().configuration?.members.map((one) => one.id)).toEqual(trio);
  });

  test('shows its log as it was', () => {
    const replica = new Replica({ log, tailEntriesMax: 1 });
    const { core } = replica;
    expect([core.firstIndex, core.lastIndex, core.durableIndex]).toEqual([1, 3, 3]);
    expect([0, 1, 2, 3, 4].map((at) => core.termAt(logIndex(at)))).toEqual([0, 1, 1, 2, null]);
    expect(core.cachedEntries(logIndex(3), logIndex(3), 1e6)?.map((one) => one.index)).toEqual([3]);
    expect(core.cachedEntries(logIndex(2), logIndex(3), 1e6)).toBe(null);
    becomePreCandidate(replica);
  });
});

function configurationsOf(replica: Replica): number[] {
  return replica.disk.durableLog
    .filter((one) => one.kind === EntryKind.configuration)
    .map((one) => one.index);
}
