import { describe, expect, test } from 'vitest';
import { entryTime } from '../../src/base/entry.ts';
import { becomeLeader, becomeUnsyncedLeader } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, n4, n5, quintet, termsOf } from './support/logs.ts';
import { appendEntries, appendResponse, heartbeatResponse, ofType } from './support/messages.ts';
import { Replica } from './support/replica.ts';

// Sections 5.3 and 5.4.2, and the dissertation's 10.2.1: what counts as committed. A test is named after the sentence
// that it tests.

const log = logOf([1, 1, 2]);

describe('figure 2: "if there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N"', () => {
  test('two of three', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    expect(replica.core.commitIndex).toBe(1);
    replica.hear(appendResponse(n3, n1, 3, 4));
    expect(replica.core.commitIndex).toBe(4);
  });

  test('three of five, and never further than the third', () => {
    const replica = new Replica({ log: logOf([1, 1, 2], quintet), members: quintet });
    becomeLeader(replica);
    replica.core.propose([draft('a'), draft('b'), draft('c')]);
    replica.settle();
    replica.hear(appendResponse(n2, n1, 3, 7));
    expect(replica.core.commitIndex).toBe(1);
    replica.hear(appendResponse(n5, n1, 3, 5));
    expect(replica.core.commitIndex).toBe(5);
    replica.hear(appendResponse(n3, n1, 3, 6));
    expect(replica.core.commitIndex).toBe(6);
  });

  test('an acknowledgement in a heartbeat response counts like any other', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(heartbeatResponse(n2, n1, 3, 1, 4));
    expect(replica.core.commitIndex).toBe(4);
  });

  test('followers "learn that an entry is committed" from the leader, and apply in log order', () => {
    const cluster = new Cluster({ logs: { [n1]: log, [n2]: log, [n3]: log } });
    const leader = cluster.elect(n1);
    leader.core.propose([draft('a')]);
    cluster.settle();
    cluster.tick(6, n1);
    expect(cluster.all.map((one) => one.core.commitIndex)).toEqual([5, 5, 5]);
  });
});

describe('5.4.2: "only log entries from the leader\'s current term are committed by counting replicas"', () => {
  test('entries of earlier terms do not commit, however many have them', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 3), appendResponse(n3, n1, 3, 3));
    expect(replica.core.commitIndex).toBe(1);
  });

  test('"all prior entries are committed indirectly" with the first one of the current term', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 3), appendResponse(n2, n1, 3, 4));
    expect(replica.core.commitIndex).toBe(4);
    expect(replica.core.termStartCommitted).toBe(true);
  });

  // Figure 8's S1 to S5 are n1 to n5. S1 wrote entry 2 in term 2, S5 wrote another in term 3, and S1 came back in term 4.
  test('figure 8 (d): an entry of term 2 on a majority can still be overwritten by S5', () => {
    const spread = logOf([1, 2], quintet);
    const logs = {
      [n1]: spread,
      [n2]: spread,
      [n3]: spread,
      [n4]: logOf([1], quintet),
      [n5]: logOf([1, 3], quintet),
    };
    const cluster = new Cluster({ members: quintet, logs, of: () => ({ term: 4 }) });
    cluster.crash(n1);
    cluster.elect(n5);
    cluster.start(n1);
    cluster.tick(10, n5);
    cluster.history.mustAgree(cluster.all);
    expect(termsOf(cluster.at(n1).disk.durableLog)).toEqual([1, 3, 5]);
  });

  test('figure 8 (e): with an entry of term 4 on a majority "S5 cannot win an election"', () => {
    const spread = logOf([1, 2, 4], quintet);
    const logs = {
      [n1]: spread,
      [n2]: spread,
      [n3]: spread,
      [n4]: logOf([1], quintet),
      [n5]: logOf([1, 3], quintet),
    };
    const cluster = new Cluster({ members: quintet, logs, of: () => ({ term: 4 }) });
    cluster.crash(n1);
    expect(() => cluster.elect(n5)).toThrow('was not elected');
    expect(cluster.at(n5).core.term).toBe(4);
  });

  test('figure 8 (c): the leader of term 4 does not commit entry 2 of term 2 when a majority has it', () => {
    const replica = new Replica({ log: logOf([1, 2], quintet), members: quintet, term: 3 });
    becomeUnsyncedLeader(replica);
    expect(replica.core.term).toBe(4);
    replica.hear(appendResponse(n2, n1, 4, 2), appendResponse(n3, n1, 4, 2));
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 2, 4]);
    expect(replica.core.commitIndex).toBe(1);
    replica.hear(appendResponse(n2, n1, 4, 3), appendResponse(n3, n1, 4, 3));
    expect(replica.core.commitIndex).toBe(3);
  });
});

describe('10.2.1: "the leader can write to its disk in parallel with replicating to the followers"', () => {
  test('appends leave before the own sync', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4), appendResponse(n3, n1, 3, 4));
    replica.core.propose([draft('a')]);
    expect(ofType('AppendEntries', replica.drain()).map((one) => one.to)).toEqual([n2, n3]);
    expect(replica.disk.durableLog).toHaveLength(4);
  });

  test('the leader does not count itself before its own sync', () => {
    const replica = new Replica({ log });
    becomeUnsyncedLeader(replica);
    replica.step(appendResponse(n2, n1, 3, 4));
    replica.drain();
    expect(replica.core.commitIndex).toBe(1);
    replica.sync();
    expect(replica.core.commitIndex).toBe(4);
  });

  test('"an entry may be committed by a majority of followers" although the leader has not synced it', () => {
    const replica = new Replica({ log });
    becomeUnsyncedLeader(replica);
    replica.step(appendResponse(n2, n1, 3, 4), appendResponse(n3, n1, 3, 4));
    expect(replica.core.commitIndex).toBe(4);
    expect(replica.core.durableIndex).toBe(3);
  });

  test('Ready tells the commit index in order, and never of more than it has told the entries of', () => {
    const replica = new Replica({ log });
    let told = 0;
    replica.onReady = (ready) => {
      expect(ready.commitIndex).toBeGreaterThanOrEqual(told);
      expect(ready.commitIndex).toBeLessThanOrEqual(replica.disk.writtenLog.length);
      told = ready.commitIndex;
    };
    becomeLeader(replica);
    for (let index = 5; index < 10; index += 1) {
      replica.core.propose([draft(`${index}`)]);
      replica.hear(appendResponse(n2, n1, 3, index));
    }
    expect(told).toBe(9);
  });

  test('Readys are numbered from 1, without gaps, also after a restart', () => {
    const replica = new Replica({ log });
    const numbers: number[] = [];
    replica.onReady = (ready) => numbers.push(ready.number);
    becomeLeader(replica);
    expect(numbers).toEqual(numbers.map((_, at) => at + 1));
    replica.restart();
    numbers.length = 0;
    becomeLeader(replica);
    expect(numbers[0]).toBe(1);
  });

  test('a sync that ends after leadership was lost counts for nothing that was truncated', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.core.propose([draft('lost')]);
    replica.drain();
    // n2 leads term 4 without n1's entries 4 and 5.
    replica.step(appendEntries(n2, n1, { term: 4, log: logOf([1, 1, 2, 4]), after: 3, commit: 3 }));
    replica.drain();
    replica.sync(1);
    expect(replica.core.durableIndex).toBe(3);
    expect(replica.core.commitIndex).toBe(3);
    replica.settle();
    expect(replica.core.durableIndex).toBe(4);
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 1, 2, 4]);
  });
});

describe('stamps', () => {
  test('an entry has the time of the turn in which it was proposed, and never an earlier one than the entry before', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    const times = [2_000_000_000_000, 1_000, 2_000_000_000_001].map((now) => {
      replica.core.clock(now);
      replica.core.propose([draft('x')]);
      replica.settle();
      return entryTime(replica.disk.writtenLog.at(-1)!);
    });
    expect(times).toEqual([2_000_000_000_000, 2_000_000_000_000, 2_000_000_000_001]);
  });

  test('a new leader goes on from the last stamp in its log, however slow its own clock is', () => {
    const replica = new Replica({ log });
    replica.core.clock(5);
    becomeLeader(replica);
    expect(entryTime(replica.disk.writtenLog.at(-1)!)).toBeGreaterThanOrEqual(entryTime(log.at(-1)!));
  });
});
