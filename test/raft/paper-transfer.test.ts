import { describe, expect, test } from 'vitest';
import { becomeCandidate, becomeLeader } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, n4, trio } from './support/logs.ts';
import {
  appendResponse,
  heartbeat,
  heartbeatResponse,
  ofType,
  oneOf,
  timeoutNow,
} from './support/messages.ts';
import { Replica } from './support/replica.ts';

// The dissertation's 3.10, leadership transfer. A test is named after the sentence that it tests.

const log = logOf([1, 1, 2]);
const logs = { [n1]: log, [n2]: log, [n3]: log };

/** n1 leads term 3 and both others have acknowledged its first entry. */
function leaderOfThree(): Replica {
  const replica = new Replica({ log });
  becomeLeader(replica);
  replica.hear(appendResponse(n2, n1, 3, 4), appendResponse(n3, n1, 3, 4));
  return replica;
}

describe('3.10: "to transfer leadership"', () => {
  test('"the prior leader stops accepting new client requests"', () => {
    const leader = leaderOfThree();
    expect(leader.core.transferLeadership(n2)).toEqual({ ok: true, target: n2 });
    expect(leader.core.propose([draft('a')])).toEqual({ ok: false, refusal: 'transferring' });
    expect(leader.core.lastIndex).toBe(4);
    expect(leader.core.status().transferTarget).toBe(n2);
  });

  test('"the prior leader fully updates the target server\'s log to match its own": only then TimeoutNow', () => {
    const leader = leaderOfThree();
    leader.core.propose([draft('a'), draft('b')]);
    leader.settle();
    leader.core.transferLeadership(n2);
    expect(ofType('TimeoutNow', leader.settle())).toEqual([]);
    expect(ofType('TimeoutNow', leader.hear(appendResponse(n2, n1, 3, 5)))).toEqual([]);
    const order = oneOf('TimeoutNow', leader.hear(appendResponse(n2, n1, 3, 6)));
    expect(order).toMatchObject({ from: n1, to: n2, term: 3 });
  });

  test('to a target that has everything TimeoutNow leaves at once', () => {
    const leader = leaderOfThree();
    leader.core.transferLeadership(n3);
    expect(oneOf('TimeoutNow', leader.settle())).toMatchObject({ to: n3, term: 3 });
  });

  test('the target "starts a new election immediately", without a pre-vote and without its timeout', () => {
    const target = new Replica({ id: n2, log });
    target.hear(heartbeat(n1, n2, 2));
    const said = target.hear(timeoutNow(n1, n2, 2));
    expect(ofType('PreVote', said)).toEqual([]);
    expect(ofType('RequestVote', said).map((one) => [one.to, one.term, one.reason])).toEqual([
      [n1, 3, 'transfer'],
      [n3, 3, 'transfer'],
    ]);
    expect(target.disk.durableHardState).toEqual({ term: 3, votedFor: n2 });
  });

  test('"the target\'s RequestVote has a higher term, so the prior leader steps down"', () => {
    const cluster = new Cluster({ logs });
    const old = cluster.elect(n1);
    old.core.propose([draft('a')]);
    cluster.settle();
    expect(old.core.transferLeadership(n2)).toEqual({ ok: true, target: n2 });
    cluster.settle();
    expect(cluster.at(n2).core.role).toBe('leader');
    expect(cluster.at(n2).core.term).toBe(4);
    cluster.tick(10, n2);
    expect(old.core.role).toBe('follower');
    expect(old.core.leader).toBe(n2);
    cluster.history.mustAgree(cluster.all);
    expect(old.events.filter((event) => event.type === 'transfer-started')).toMatchObject([
      { term: 3, target: n2 },
    ]);
    expect(old.events.filter((event) => event.type === 'transfer-ended')).toMatchObject([
      { target: n2, outcome: 'done' },
    ]);
  });

  test('works while everybody still has a lease on the prior leader', () => {
    const cluster = new Cluster({ logs });
    cluster.elect(n1);
    cluster.tick(5, n1);
    cluster.at(n1).core.transferLeadership(n3);
    cluster.settle();
    expect(cluster.leader()?.id).toBe(n3);
  });

  test('"if it does not complete after about an election timeout, the prior leader aborts and resumes"', () => {
    const leader = leaderOfThree();
    leader.core.transferLeadership(n2);
    for (let round = 1; round <= 12; round += 1) {
      leader.tick(5);
      leader.hear(heartbeatResponse(n3, n1, 3, round, 4), heartbeatResponse(n2, n1, 3, round, 4));
    }
    expect(leader.core.role).toBe('leader');
    expect(leader.core.status().transferTarget).toBe(null);
    expect(leader.events).toContainEqual(
      expect.objectContaining({ type: 'transfer-ended', target: n2, outcome: 'timeout' }),
    );
    expect(leader.core.propose([draft('a')])).toMatchObject({ ok: true, firstIndex: 5 });
  });

  test('not before that', () => {
    const leader = leaderOfThree();
    leader.core.transferLeadership(n2);
    leader.tick(14);
    leader.settle();
    expect(leader.core.propose([draft('a')])).toEqual({ ok: false, refusal: 'transferring' });
  });

  test('the prior leader that loses leadership to somebody else says that the transfer was aborted', () => {
    const leader = leaderOfThree();
    leader.core.transferLeadership(n2);
    leader.settle();
    leader.hear(heartbeat(n3, n1, 9));
    const ended = leader.events.filter((event) => event.type === 'transfer-ended');
    expect(ended).toMatchObject([{ target: n2, outcome: 'aborted' }]);
  });
});

describe('a transfer is refused', () => {
  test('by whoever does not lead', () => {
    const replica = new Replica({ log });
    expect(replica.core.transferLeadership(n2)).toEqual({ ok: false, refusal: 'not-leader' });
    becomeCandidate(replica);
    expect(replica.core.transferLeadership(null)).toEqual({ ok: false, refusal: 'not-leader' });
  });

  test('to a stranger and to the leader itself', () => {
    const leader = leaderOfThree();
    expect(leader.core.transferLeadership(n4)).toEqual({ ok: false, refusal: 'unknown-target' });
    expect(leader.core.transferLeadership(n1)).toEqual({ ok: false, refusal: 'target-is-leader' });
  });

  test('while another one is under way', () => {
    const leader = leaderOfThree();
    leader.core.transferLeadership(n2);
    expect(leader.core.transferLeadership(n3)).toEqual({ ok: false, refusal: 'in-progress' });
  });

  test('to a target that cannot be reached', () => {
    const leader = leaderOfThree();
    leader.core.peerReachable(n2, 'control', false);
    expect(leader.core.transferLeadership(n2)).toEqual({ ok: false, refusal: 'target-unreachable' });
  });

  test('to a target that has been silent for an election timeout', () => {
    const leader = leaderOfThree();
    for (let round = 1; round <= 12; round += 1) {
      leader.tick(5);
      leader.hear(heartbeatResponse(n3, n1, 3, round, 4));
    }
    expect(leader.core.transferLeadership(n2)).toEqual({ ok: false, refusal: 'target-unreachable' });
  });

  test('to a target that lags far behind', () => {
    const leader = leaderOfThree();
    for (let batch = 0; batch < 40; batch += 1) {
      leader.core.propose(Array.from({ length: 1000 }, (_, at) => draft(`${batch} ${at}`, 300)));
      leader.hear(appendResponse(n3, n1, 3, leader.core.lastIndex));
    }
    expect(leader.core.commitIndex).toBe(40_004);
    leader.hear(heartbeatResponse(n2, n1, 3, 1, 4));
    expect(leader.core.transferLeadership(n2)).toEqual({ ok: false, refusal: 'target-lagging' });
    expect(leader.core.transferLeadership(null)).toEqual({ ok: true, target: n3 });
  });

  test('and a refusal leaves the leader leading', () => {
    const leader = leaderOfThree();
    leader.core.transferLeadership(n4);
    leader.settle();
    expect(leader.core.propose([draft('a')])).toMatchObject({ ok: true });
  });
});

describe('without a named target', () => {
  test('the most up-to-date follower is chosen', () => {
    const leader = leaderOfThree();
    leader.core.propose([draft('a'), draft('b')]);
    leader.settle();
    leader.hear(appendResponse(n3, n1, 3, 6), appendResponse(n2, n1, 3, 5));
    expect(leader.core.transferLeadership(null)).toEqual({ ok: true, target: n3 });
  });

  test('giving up leadership makes a follower of the leader, in its term', () => {
    const leader = leaderOfThree();
    leader.core.stepDown('the disk is broken');
    leader.settle();
    expect(leader.core.role).toBe('follower');
    expect(leader.core.term).toBe(3);
    expect(leader.core.leader).toBe(null);
    const change = leader.events.findLast((event) => event.type === 'role-changed');
    expect(change).toMatchObject({
      from: 'leader',
      to: 'follower',
      why: expect.stringContaining('the disk is broken'),
    });
  });
});

describe('TimeoutNow', () => {
  test('is obeyed only from the leader of the current term', () => {
    const replica = new Replica({ log });
    replica.hear(heartbeat(n2, n1, 2));
    expect(ofType('RequestVote', replica.hear(timeoutNow(n3, n1, 2)))).toEqual([]);
    expect(ofType('RequestVote', replica.hear(timeoutNow(n2, n1, 1)))).toEqual([]);
    expect(replica.core.term).toBe(2);
    expect(replica.core.role).toBe('follower');
  });

  test('does not make a leader of a node that lacks entries: its voters compare logs as ever', () => {
    const cluster = new Cluster({ logs });
    const leader = cluster.elect(n1);
    cluster.isolate(n3);
    leader.core.propose([draft('a')]);
    cluster.settle();
    cluster.heal();
    cluster.inFlight.push(timeoutNow(n1, n3, 3));
    cluster.settle();
    expect(cluster.at(n3).core.role).not.toBe('leader');
    cluster.tick(60, n1, n2);
    cluster.history.mustAgree(cluster.all);
  });
});

describe('a leader whose process is about to end', () => {
  test('tells whoever has most of its log to stand at once, and gives up', () => {
    const leader = leaderOfThree();
    leader.core.propose([draft('a'), draft('b')]);
    leader.settle();
    leader.hear(appendResponse(n2, n1, 3, 4), appendResponse(n3, n1, 3, 5));
    leader.core.resign('its disk failed');
    expect(oneOf('TimeoutNow', leader.settle())).toMatchObject({ to: n3, term: 3 });
    expect(leader.core.role).toBe('follower');
    expect(leader.core.leader).toBeNull();
  });

  test('gives up as well where nobody could take over', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.core.peerReachable(n2, 'control', false);
    replica.core.peerReachable(n3, 'control', false);
    replica.core.resign('its disk failed');
    expect(ofType('TimeoutNow', replica.settle())).toEqual([]);
    expect(replica.core.role).toBe('follower');
  });

  test('costs the cluster nothing where its word does not arrive', () => {
    const cluster = new Cluster({ logs });
    const old = cluster.elect(n1);
    cluster.isolate(n1);
    old.core.resign('its disk failed');
    cluster.settle();
    cluster.forgetLeader(n2, n3);
    cluster.elect(n2);
    expect(cluster.at(n3).core.leader).toBe(n2);
  });
});

describe('priority', () => {
  test('a leader hands over to a caught-up, healthy follower that is preferred', () => {
    const cluster = new Cluster({ logs });
    const leader = cluster.elect(n1);
    for (const id of trio)
      if (id !== n2)
        cluster
          .at(id)
          .core.peerIdentified(n2, cluster.at(n2).core.status().configuration!.members[1]!.incarnation, 5);
    for (let tick = 0; tick < 400 && leader.core.role === 'leader'; tick += 1) cluster.tick(1, n1);
    expect(cluster.leader()?.id).toBe(n2);
  });

  test('not to one that cannot keep up', () => {
    const cluster = new Cluster({ logs });
    const leader = cluster.elect(n1);
    leader.core.peerIdentified(n2, leader.core.status().configuration!.members[1]!.incarnation, 5);
    cluster.isolate(n2);
    cluster.tick(400, n1);
    expect(leader.core.role).toBe('leader');
    expect(leader.events.filter((event) => event.type === 'transfer-started')).toEqual([]);
  });

  test('among equals nobody hands over', () => {
    const cluster = new Cluster({ logs });
    const leader = cluster.elect(n1);
    cluster.tick(600, n1);
    expect(leader.core.role).toBe('leader');
    expect(leader.core.term).toBe(3);
  });
});
