import { describe, expect, test } from 'vitest';
import { entryTime } from '../../src/base/entry.ts';
import { becomeLeader, becomeUnsyncedLeader } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, n4, n5, quintet, termsOf } from './support/logs.ts';
import { appendResponse, heartbeatResponse, ofType } from './support/messages.ts';
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

  test('figure 8: an entry of term 2 on a majority may still be overwritten by a leader of term 3', () => {
    const old = logOf([1], quintet);
    const cluster = new Cluster({
      members: quintet,
      // (c): S1 of the paper leads term 4 after it wrote entry 2 in term 2 at itself and S2; S5 wrote another in term 3.
      logs: {
        [n1]: logOf([1, 2], quintet),
        [n2]: logOf([1, 2], quintet),
        [n3]: old,
        [n4]: old,
        [n5]: logOf([1, 3], quintet),
      },
      of: () => ({ term: 3 }),
    });
    cluster.isolate(n5);
    const first = cluster.at(n1);
    while (first.core.role !== 'leader') cluster.tick(1, n1);
    expect(first.core.term).toBe(4);
    // In the paper S1 crashes before its entry of term 4 is anywhere else: here its own disk never had it either, and
    // n3 got entry 2 alone. The elections above have settled all of it, so n1's whole log is committed instead:
    expect(first.core.commitIndex).toBe(3);
    cluster.heal();
    cluster.crash(n1);
    cluster.forgetLeader(n2, n3, n4);
    // (e): S5 cannot win an election any more, because a majority has an entry of term 4.
    expect(() => cluster.elect(n5)).toThrow('was not elected');
  });

  test('figure 8, step by step: the leader of term 4 does not commit entry 2 of term 2 when a majority has it', () => {
    const replica = new Replica({ log: logOf([1, 2], quintet), members: quintet, term: 3 });
    becomeUnsyncedLeader(replica);
    expect(replica.core.term).toBe(4);
    replica.hear(appendResponse(n2, n1, 4, 2), appendResponse(n3, n1, 4, 2));
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 2, 4]);
    // (c) to (d): three of five have it, and S5 could still replace it.
    expect(replica.core.commitIndex).toBe(1);
    replica.hear(appendResponse(n2, n1, 4, 3), appendResponse(n3, n1, 4, 3));
    // (e): once an entry of term 4 is on a majority S5 cannot win, and entry 2 is safe along with it.
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
    expect(replica.drain()).toBeDefined();
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

  test('a sync that ends after leadership was lost and won again by others does not count for them', () => {
    const cluster = new Cluster({ logs: { [n1]: log, [n2]: log, [n3]: log } });
    const old = cluster.elect(n1);
    cluster.isolate(n1);
    old.core.propose([draft('lost')]);
    old.drain();
    cluster.at(n2).tick(20);
    cluster.at(n3).tick(20);
    cluster.all.slice(1).forEach((one) => one.settle());
    while (cluster.at(n2).core.role !== 'leader') {
      for (const one of [n2, n3].map((id) => cluster.at(id))) {
        if (one.id === n2) one.tick();
        one.settle();
      }
      while (cluster.inFlight.length > 0) {
        cluster.deliver();
        cluster.at(n2).settle();
        cluster.at(n3).settle();
      }
    }
    cluster.heal();
    // n1 learns of term 4 and drops its entry 5 while the sync of it is under way.
    cluster.at(n2).core.propose([draft('kept')]);
    for (const message of cluster.at(n2).settle()) if (message.to === n1) old.core.step(message);
    old.drain();
    old.sync(1);
    old.drain();
    cluster.tick(20, n2);
    cluster.history.mustAgree(cluster.all);
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
