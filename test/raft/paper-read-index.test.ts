import { describe, expect, test } from 'vitest';
import { becomeCandidate, becomeLeader } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, n4, quintet } from './support/logs.ts';
import { appendResponse, heartbeat, heartbeatResponse, ofType } from './support/messages.ts';
import { Replica } from './support/replica.ts';

// Section 8 and the dissertation's 6.4: read-only requests. A test is named after the sentence that it tests.

const log = logOf([1, 1, 2]);

/** n1 leads term 3, and its first entry (4) is committed. */
function leaderOfThree(): Replica {
  const replica = new Replica({ log });
  becomeLeader(replica);
  replica.hear(appendResponse(n2, n1, 3, 4), appendResponse(n3, n1, 3, 4));
  return replica;
}

/** Asks to read. @returns the number of the heartbeat round that was started for it. */
function ask(replica: Replica, token: number): number {
  replica.core.readIndex(token);
  const beats = ofType('Heartbeat', replica.settle());
  expect(new Set(beats.map((one) => one.to)).size).toBe(replica.members.length - 1);
  return Math.max(...beats.map((one) => one.round));
}

describe('6.4: a linearizable read without writing to the log', () => {
  test('"the leader saves its current commit index", and a majority must answer "a new round of heartbeats"', () => {
    const leader = leaderOfThree();
    const round = ask(leader, 7);
    expect(leader.reads).toEqual([]);
    leader.hear(heartbeatResponse(n3, n1, 3, round));
    expect(leader.reads).toEqual([{ token: 7, index: 4 }]);
  });

  test('an answer to a round that began before the read proves nothing', () => {
    const leader = leaderOfThree();
    const early = ask(leader, 1);
    leader.hear(heartbeatResponse(n2, n1, 3, early));
    const late = ask(leader, 2);
    expect(late).toBeGreaterThan(early);
    leader.hear(heartbeatResponse(n2, n1, 3, early), heartbeatResponse(n3, n1, 3, early));
    expect(leader.reads.map((one) => one.token)).toEqual([1]);
    leader.hear(heartbeatResponse(n3, n1, 3, late));
    expect(leader.reads.map((one) => one.token)).toEqual([1, 2]);
  });

  test('an answer to a later round proves the earlier ones too', () => {
    const leader = leaderOfThree();
    ask(leader, 1);
    const late = ask(leader, 2);
    leader.hear(heartbeatResponse(n2, n1, 3, late));
    expect(leader.reads.map((one) => one.token)).toEqual([1, 2]);
  });

  test('"the leader can amortize: a single round of heartbeats for any number of read-only queries"', () => {
    const leader = leaderOfThree();
    for (let token = 1; token <= 100; token += 1) leader.core.readIndex(token);
    const beats = ofType('Heartbeat', leader.settle());
    expect(beats).toHaveLength(2);
    leader.hear(heartbeatResponse(n2, n1, 3, beats[0]!.round));
    expect(leader.reads).toHaveLength(100);
    expect(leader.reads.every((one) => one.index === 4)).toBe(true);
  });

  test('one server answering twice is no majority of five', () => {
    const leader = new Replica({ log: logOf([1, 1, 2], quintet), members: quintet });
    becomeLeader(leader);
    leader.hear(appendResponse(n2, n1, 3, 4), appendResponse(n3, n1, 3, 4));
    const round = ask(leader, 1);
    leader.hear(heartbeatResponse(n2, n1, 3, round), heartbeatResponse(n2, n1, 3, round));
    expect(leader.reads).toEqual([]);
    leader.hear(heartbeatResponse(n4, n1, 3, round));
    expect(leader.reads).toHaveLength(1);
  });

  test('an answer in another term proves nothing', () => {
    const leader = leaderOfThree();
    const round = ask(leader, 1);
    leader.hear(heartbeatResponse(n2, n1, 2, round));
    expect(leader.reads).toEqual([]);
  });

  test('an acknowledgement of entries proves nothing: it may have been under way before the read', () => {
    const leader = leaderOfThree();
    leader.core.propose([draft('a')]);
    leader.settle();
    ask(leader, 1);
    leader.hear(appendResponse(n2, n1, 3, 5), appendResponse(n3, n1, 3, 5));
    expect(leader.reads).toEqual([]);
  });

  test('"if the leader has not yet marked an entry from its current term committed, it waits until it has done so"', () => {
    const leader = new Replica({ log });
    becomeLeader(leader);
    expect(leader.core.termStartCommitted).toBe(false);
    leader.core.readIndex(1);
    const rounds = ofType('Heartbeat', leader.settle()).map((one) => one.round);
    leader.hear(heartbeatResponse(n2, n1, 3, Math.max(1, ...rounds)));
    expect(leader.reads).toEqual([]);
    const said = leader.hear(appendResponse(n2, n1, 3, 4));
    for (let round = 0; round < 3; round += 1) {
      said.push(...leader.settle());
      leader.tick(5);
      said.push(...leader.settle());
    }
    const later = ofType('Heartbeat', said).filter((one) => one.to === n2);
    leader.hear(heartbeatResponse(n2, n1, 3, later.at(-1)!.round, 4));
    expect(leader.reads).toEqual([{ token: 1, index: 4 }]);
  });

  test('the index is that of the moment of asking or later, never earlier', () => {
    const leader = leaderOfThree();
    leader.core.propose([draft('a')]);
    leader.hear(appendResponse(n2, n1, 3, 5));
    const round = ask(leader, 1);
    leader.core.propose([draft('b')]);
    leader.hear(appendResponse(n2, n1, 3, 6), heartbeatResponse(n2, n1, 3, round));
    expect(leader.reads).toHaveLength(1);
    expect(leader.reads[0]?.index).toBeGreaterThanOrEqual(5);
  });

  test('a single server proves it to itself', () => {
    const alone = new Replica({ log: logOf([1, 1], [n1]), members: [n1] });
    alone.tick(60);
    alone.settle();
    alone.core.readIndex(1);
    alone.settle();
    expect(alone.reads).toEqual([{ token: 1, index: 3 }]);
  });
});

describe('a read is refused', () => {
  test('by whoever does not lead', () => {
    const follower = new Replica({ log });
    follower.core.readIndex(1);
    follower.settle();
    becomeCandidate(follower);
    follower.core.readIndex(2);
    follower.settle();
    expect(follower.readsRefused).toEqual([1, 2]);
  });

  test('when leadership is lost before it was proven', () => {
    const leader = leaderOfThree();
    const round = ask(leader, 1);
    leader.hear(heartbeat(n3, n1, 4), heartbeatResponse(n2, n1, 3, round));
    expect(leader.reads).toEqual([]);
    expect(leader.readsRefused).toEqual([1]);
  });

  test('when leadership is lost before the term has begun', () => {
    const leader = new Replica({ log });
    becomeLeader(leader);
    leader.core.readIndex(1);
    leader.settle();
    leader.hear(heartbeat(n3, n1, 4));
    expect(leader.reads).toEqual([]);
    expect(leader.readsRefused).toEqual([1]);
  });

  test('by a leader that gives up', () => {
    const leader = leaderOfThree();
    ask(leader, 1);
    leader.core.stepDown('the disk is slow');
    leader.settle();
    expect(leader.readsRefused).toEqual([1]);
  });

  test('in the end by a deposed leader that nobody tells: "a newer leader may have been elected"', () => {
    const cluster = new Cluster({ logs: { [n1]: log, [n2]: log, [n3]: log } });
    const old = cluster.elect(n1);
    cluster.tick(5, n1);
    cluster.isolate(n1);
    cluster.forgetLeader(n2, n3);
    cluster.elect(n2);
    expect(old.core.role).toBe('leader');
    old.core.readIndex(1);
    cluster.tick(80, n1);
    expect(old.reads).toEqual([]);
    expect(old.readsRefused).toEqual([1]);
  });
});
