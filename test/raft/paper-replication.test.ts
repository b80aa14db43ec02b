import { describe, expect, test } from 'vitest';
import { InvariantViolation } from '../../src/base/assert.ts';
import type { PeerMessage } from '../../src/base/peer-message.ts';
import { becomeCandidate, becomeLeader, becomeUnsyncedLeader } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, quintet, termsOf, trio } from './support/logs.ts';
import {
  appendEntries,
  appendResponse,
  heartbeat,
  heartbeatResponse,
  ofType,
  oneOf,
  rejection,
  voteResponse,
} from './support/messages.ts';
import { Replica } from './support/replica.ts';

// Section 5.3 and figure 2's AppendEntries. A test is named after the sentence that it tests.

const log = logOf([1, 1, 2]);
const log5 = logOf([1, 1, 2], quintet);

function progressOf(replica: Replica, id: string): { matchIndex: number; nextIndex: number; state: string } {
  const progress = replica.core.status().progress.find((one) => one.id === id);
  if (progress === undefined) throw new Error(`no progress of ${id}`);
  return progress;
}

describe('figure 2, leaders', () => {
  test('"upon election: send initial empty AppendEntries RPCs to each server"', () => {
    const messages = becomeUnsyncedLeader(new Replica({ log: log5, members: quintet }));
    const told = new Set(
      messages.filter((one) => one.type === 'AppendEntries' || one.type === 'Heartbeat').map((one) => one.to),
    );
    expect([...told].toSorted()).toEqual(quintet.slice(1));
  });

  test('"repeat during idle periods to prevent election timeouts"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    for (let round = 0; round < 3; round += 1) {
      replica.tick(5);
      const beats = ofType('Heartbeat', replica.settle());
      expect(new Set(beats.map((one) => one.to))).toEqual(new Set([n2, n3]));
      for (const beat of beats) replica.hear(heartbeatResponse(beat.to, n1, 3, beat.round));
    }
  });

  test('"nextIndex: initialized to leader last log index + 1, matchIndex: initialized to 0"', () => {
    const replica = new Replica({ log });
    const appends = ofType('AppendEntries', becomeLeader(replica));
    for (const id of [n2, n3]) expect(progressOf(replica, id).matchIndex).toBe(0);
    // The first append shows where nextIndex stood: it carries what the new term itself began with.
    for (const append of appends)
      expect(append).toMatchObject({ prevIndex: 3, prevTerm: 2, prevChecksum: log[2]?.checksum });
  });

  test('a leader begins its term with an entry of its own (section 8: "a blank no-op entry")', () => {
    const replica = new Replica({ log });
    const [append] = ofType('AppendEntries', becomeLeader(replica));
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 1, 2, 3]);
    expect(replica.disk.durableLog[3]).toMatchObject({ kind: 1, index: 4 });
    expect(append?.entries.map((entry) => entry.index)).toEqual([4]);
  });

  test('"if command received from client: append entry to local log"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    expect(replica.core.propose([draft('a'), draft('b')])).toEqual({ ok: true, firstIndex: 5, term: 3 });
    expect(replica.core.lastIndex).toBe(6);
    replica.settle();
    expect(replica.disk.durableLog.slice(4).map((entry) => [entry.index, entry.term])).toEqual([
      [5, 3],
      [6, 3],
    ]);
  });

  test('only the leader takes commands', () => {
    const replica = new Replica({ log });
    expect(replica.core.propose([draft('a')])).toEqual({ ok: false, refusal: 'not-leader' });
    becomeCandidate(replica);
    expect(replica.core.propose([draft('a')])).toEqual({ ok: false, refusal: 'not-leader' });
    expect(replica.core.lastIndex).toBe(3);
  });

  test('"if last log index >= nextIndex: send AppendEntries with log entries starting at nextIndex"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4));
    replica.core.propose([draft('a')]);
    replica.core.propose([draft('b')]);
    const appends = ofType('AppendEntries', replica.settle()).filter((one) => one.to === n2);
    expect(appends.flatMap((one) => one.entries.map((entry) => entry.index))).toEqual([5, 6]);
    // What was proposed before one Ready travels as one message.
    expect(appends).toHaveLength(1);
  });

  test('"if successful: update nextIndex and matchIndex for follower"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4));
    expect(progressOf(replica, n2)).toMatchObject({ matchIndex: 4, nextIndex: 5, state: 'replicate' });
    expect(progressOf(replica, n3).matchIndex).toBe(0);
  });

  test('a late acknowledgement never takes matchIndex back', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(
      appendResponse(n2, n1, 3, 4),
      appendResponse(n2, n1, 3, 3),
      heartbeatResponse(n2, n1, 3, 1, 2),
    );
    expect(progressOf(replica, n2).matchIndex).toBe(4);
  });

  test('an acknowledgement of an earlier term counts for nothing', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 2, 4), heartbeatResponse(n3, n1, 2, 9, 4));
    expect(progressOf(replica, n2).matchIndex).toBe(0);
    expect(progressOf(replica, n3).matchIndex).toBe(0);
    expect(replica.core.commitIndex).toBe(1);
  });

  test('"if AppendEntries fails because of log inconsistency: decrement nextIndex and retry"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    const retry = oneOf('AppendEntries', replica.hear(appendResponse(n2, n1, 3, 0, rejection(3, 0, 3, 2))));
    expect(retry).toMatchObject({ to: n2, prevIndex: 2, prevTerm: 1 });
  });

  test('a lost append is sent again: "the leader retries AppendEntries RPCs indefinitely"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    // The followers are alive, but all they heard is heartbeats: the append itself was lost.
    const said: PeerMessage[] = [];
    for (let tick = 0; tick < 60; tick += 1) {
      replica.tick();
      const beats = ofType('Heartbeat', replica.settle());
      for (const beat of beats) said.push(...replica.hear(heartbeatResponse(beat.to, n1, 3, beat.round)));
    }
    const [again] = ofType('AppendEntries', said).filter((one) => one.to === n2);
    expect(again).toMatchObject({ prevIndex: 3, prevTerm: 2 });
    expect(again?.entries.map((entry) => entry.index)).toEqual([4]);
  });

  test('a leader "never overwrites or deletes entries in its log"', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    // Nobody else leads term 3, so such a message can only be a broken peer's; it must not change the log.
    const other = logOf([1, 1, 2, 2, 3]);
    expect(() =>
      replica.hear(appendEntries(n2, n1, { term: 2, log: other.slice(0, 4), after: 2 })),
    ).not.toThrow();
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 1, 2, 3]);
    expect(replica.core.role).toBe('leader');
  });
});

describe('figure 2, AppendEntries at the receiver', () => {
  test('1. "reply false if term < currentTerm"', () => {
    const replica = new Replica({ log, term: 4 });
    const answer = oneOf(
      'AppendEntriesResponse',
      replica.hear(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3 })),
    );
    expect(answer).toMatchObject({ to: n2, term: 4, matchIndex: 0 });
    expect(replica.disk.durableLog).toHaveLength(3);
  });

  test.each([
    [
      'no entry there',
      [1, 1, 2, 3, 3, 3],
      5,
      { prevIndex: 5, conflictTerm: 0, conflictIndex: 4, lastIndex: 3 },
    ],
    [
      'an entry of another term',
      [1, 1, 1, 3],
      3,
      { prevIndex: 3, conflictTerm: 2, conflictIndex: 3, lastIndex: 3 },
    ],
  ])(
    '2. "reply false if log doesn\'t contain an entry at prevLogIndex whose term matches": %s',
    (_name, terms, after, rejection) => {
      const replica = new Replica({ log });
      const answer = oneOf(
        'AppendEntriesResponse',
        replica.hear(appendEntries(n2, n1, { term: 3, log: logOf(terms), after })),
      );
      expect(answer).toMatchObject({ to: n2, term: 3, rejection });
      expect(answer.matchIndex).toBe(0);
      expect(termsOf(replica.disk.durableLog)).toEqual([1, 1, 2]);
    },
  );

  test('3. "if an existing entry conflicts with a new one, delete the existing entry and all that follow it"', () => {
    const replica = new Replica({ log: logOf([1, 1, 2, 2, 2]) });
    replica.step(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 2 }));
    const ready = replica.take();
    expect(ready.truncateFrom).toBe(4);
    expect(termsOf(ready.entries)).toEqual([3]);
    replica.settle();
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 1, 2, 3]);
    expect(replica.events).toContainEqual(
      expect.objectContaining({ type: 'log-truncated', from: 4, lastIndexBefore: 5 }),
    );
  });

  test('4. "append any new entries not already in the log"', () => {
    const replica = new Replica({ log });
    replica.step(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3, 3]), after: 1 }));
    const ready = replica.take();
    expect(ready.truncateFrom).toBe(null);
    expect(ready.entries.map((entry) => entry.index)).toEqual([4, 5]);
  });

  test('an old or repeated append never truncates what a newer one of the same leader brought', () => {
    const replica = new Replica({ log });
    const leaderLog = logOf([1, 1, 2, 3, 3, 3]);
    const answers = replica.hear(
      appendEntries(n2, n1, { term: 3, log: leaderLog, after: 3 }),
      appendEntries(n2, n1, { term: 3, log: leaderLog, after: 3 }),
      appendEntries(n2, n1, { term: 3, log: leaderLog, after: 1, count: 2 }),
      appendEntries(n2, n1, { term: 3, log: leaderLog, after: 3, count: 0 }),
    );
    expect(replica.disk.durableLog).toHaveLength(6);
    // The acknowledgement is cumulative, so the old append cannot make it fall.
    expect(ofType('AppendEntriesResponse', answers).map((one) => one.matchIndex)).toEqual([6, 6, 6, 6]);
  });

  test.each([
    ['more is committed than arrived', 6, 5],
    ['less is committed than arrived', 4, 4],
    ['nothing new is committed', 1, 1],
  ])('5. "commitIndex = min(leaderCommit, index of last new entry)": %s', (_name, commit, expected) => {
    const replica = new Replica({ log });
    replica.hear(
      appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3, 3, 3]), after: 3, count: 2, commit }),
    );
    expect(replica.core.commitIndex).toBe(expected);
  });

  test('"index of last new entry" is not the end of the log: what lies behind it is not verified', () => {
    // Entries 4 and 5 are of a dead leader; the new one has only said what precedes its own.
    const replica = new Replica({ log: logOf([1, 1, 2, 2, 2]) });
    replica.hear(
      appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3, 3]), after: 3, count: 0, commit: 5 }),
    );
    expect(replica.core.commitIndex).toBe(3);
    expect(replica.core.lastIndex).toBe(5);
  });

  test('a heartbeat commits no further than was verified in this term', () => {
    const replica = new Replica({ log: logOf([1, 1, 2, 2, 2]) });
    replica.hear(heartbeat(n2, n1, 3, 5));
    expect(replica.core.commitIndex).toBe(1);
    replica.hear(
      appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3, count: 0 }),
      heartbeat(n2, n1, 3, 5),
    );
    expect(replica.core.commitIndex).toBe(3);
  });

  test('the commit index never goes back', () => {
    const replica = new Replica({ log });
    const leaderLog = logOf([1, 1, 2, 3, 3]);
    replica.hear(appendEntries(n2, n1, { term: 3, log: leaderLog, after: 3, commit: 5 }));
    replica.hear(
      appendEntries(n2, n1, { term: 3, log: leaderLog, after: 3, commit: 2 }),
      heartbeat(n2, n1, 3, 1),
    );
    expect(replica.core.commitIndex).toBe(5);
  });

  test('a truncation at or below the commit index stops the node: committed entries never change', () => {
    const replica = new Replica({ log, commit: 3 });
    const conflicting = appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 3]), after: 2 });
    expect(() => replica.hear(conflicting)).toThrow(InvariantViolation);
    expect(termsOf(replica.disk.durableLog)).toEqual([1, 1, 2]);
  });

  test('entries that agree in index and term and differ in their history stop the node: log matching is broken', () => {
    const replica = new Replica({ log });
    const forged = {
      ...appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3 }),
      prevChecksum: 1,
    };
    expect(() => replica.hear(forged)).toThrow(InvariantViolation);
  });
});

describe('acknowledgements', () => {
  const leaderLog = logOf([1, 1, 2, 3, 3]);
  const append = appendEntries(n2, n1, { term: 3, log: leaderLog, after: 3 });

  test('leave only after the entries are durable', () => {
    const replica = new Replica({ log });
    replica.step(append);
    expect(ofType('AppendEntriesResponse', replica.drain()).filter((one) => one.matchIndex > 3)).toEqual([]);
    replica.sync();
    expect(ofType('AppendEntriesResponse', replica.drain()).at(-1)).toMatchObject({
      term: 3,
      matchIndex: 5,
      rejection: null,
    });
  });

  test('a heartbeat is answered at once, but with no more than is durable', () => {
    const replica = new Replica({ log, term: 3 });
    replica.step(append);
    replica.drain();
    replica.step(heartbeat(n2, n1, 3, 0, 7));
    const early = oneOf('HeartbeatResponse', replica.drain());
    expect(early.round).toBe(7);
    expect(early.matchIndex).toBeLessThanOrEqual(3);
    replica.sync();
    expect(oneOf('HeartbeatResponse', replica.hear(heartbeat(n2, n1, 3, 0, 8)))).toMatchObject({
      round: 8,
      matchIndex: 5,
    });
  });

  test('cover durable entries only as far as this leader has verified them in this term', () => {
    const replica = new Replica({ log: logOf([1, 1, 2, 2, 2]) });
    // Entries 4 and 5 are durable here and are not the leader's.
    const first = oneOf('HeartbeatResponse', replica.hear(heartbeat(n2, n1, 3)));
    expect(first.matchIndex).toBe(0);
    const second = oneOf(
      'AppendEntriesResponse',
      replica.hear(appendEntries(n2, n1, { term: 3, log: leaderLog, after: 2, count: 1 })),
    );
    expect(second.matchIndex).toBe(3);
  });

  test('begin again at 0 with every new leader', () => {
    const replica = new Replica({ log });
    replica.hear(append);
    expect(oneOf('HeartbeatResponse', replica.hear(heartbeat(n2, n1, 3))).matchIndex).toBe(5);
    expect(oneOf('HeartbeatResponse', replica.hear(heartbeat(n3, n1, 4))).matchIndex).toBe(0);
  });

  test('begin again at 0 after a restart', () => {
    const replica = new Replica({ log });
    replica.hear(append);
    replica.disk.crash();
    replica.restart();
    expect(oneOf('HeartbeatResponse', replica.hear(heartbeat(n2, n1, 3))).matchIndex).toBe(0);
  });

  test('in a rejection leave matchIndex as it was', () => {
    const replica = new Replica({ log });
    replica.hear(append);
    const gap = appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3, 3, 3, 3, 3]), after: 7 });
    expect(oneOf('AppendEntriesResponse', replica.hear(gap))).toMatchObject({
      matchIndex: 5,
      rejection: { prevIndex: 7, conflictTerm: 0, conflictIndex: 6, lastIndex: 5 },
    });
  });

  test('of what a truncation replaced count for nothing, although its sync ends later', () => {
    // Entry 4 of term 3 is written and its sync is under way when a leader of term 4 replaces it by its own entry 4.
    const replica = new Replica({ log });
    replica.step(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3 }));
    replica.drain();
    replica.step(appendEntries(n3, n1, { term: 4, log: logOf([1, 1, 2, 4]), after: 3 }));
    replica.drain();
    replica.sync(1);
    expect(replica.core.durableIndex).toBeLessThan(4);
    expect(ofType('AppendEntriesResponse', replica.drain()).filter((one) => one.matchIndex > 3)).toEqual([]);
    replica.sync();
    expect(ofType('AppendEntriesResponse', replica.drain()).at(-1)).toMatchObject({
      to: n3,
      term: 4,
      matchIndex: 4,
    });
  });

  test('of what a truncation replaced count for nothing, although index and term come back', () => {
    // Written in term 3, truncated by term 4, written again from a leader of term 5 that has it: index and term alone
    // cannot tell the first sync of entry 4 from the second.
    const replica = new Replica({ log });
    replica.step(appendEntries(n2, n1, { term: 3, log: logOf([1, 1, 2, 3]), after: 3 }));
    replica.drain();
    replica.step(appendEntries(n3, n1, { term: 4, log: logOf([1, 1, 2, 4]), after: 3 }));
    replica.drain();
    replica.step(appendEntries(n2, n1, { term: 5, log: logOf([1, 1, 2, 3]), after: 3 }));
    replica.drain();
    replica.sync(1);
    expect(replica.core.durableIndex).toBe(3);
    expect(ofType('AppendEntriesResponse', replica.drain()).filter((one) => one.matchIndex > 3)).toEqual([]);
    replica.sync(1);
    expect(replica.core.durableIndex).toBe(3);
    replica.sync();
    expect(ofType('AppendEntriesResponse', replica.drain()).at(-1)).toMatchObject({
      to: n2,
      term: 5,
      matchIndex: 4,
    });
  });

  test('carry the term only after the term is durable', () => {
    const replica = new Replica({ log });
    replica.step(appendEntries(n2, n1, { term: 9, log, after: 3 }));
    // Entries 1 to 3 are durable and verified; what is not durable yet is the promise to follow no older leader.
    replica.step(heartbeat(n2, n1, 9));
    const early = replica.drain();
    expect(ofType('AppendEntriesResponse', early)).toEqual([]);
    expect(ofType('HeartbeatResponse', early).filter((one) => one.matchIndex > 0)).toEqual([]);
    replica.sync();
    expect(oneOf('AppendEntriesResponse', replica.drain())).toMatchObject({ term: 9, matchIndex: 3 });
  });
});

describe('conflicts', () => {
  test('"one AppendEntries RPC will be required for each term with conflicting entries"', () => {
    // The follower has three terms of entries that nobody else has.
    const follower = logOf([1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    const leader = logOf([1, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    const cluster = new Cluster({ logs: { [n1]: leader, [n2]: follower, [n3]: leader } });
    let rejections = 0;
    const count = cluster.at(n2).onReady;
    cluster.at(n2).onReady = (ready) => {
      rejections += ofType('AppendEntriesResponse', ready.messages).filter(
        (one) => one.rejection !== null,
      ).length;
      count(ready);
    };
    cluster.elect(n1);
    cluster.tick(10, n1);
    cluster.history.mustAgree(cluster.all);
    expect(rejections).toBeLessThanOrEqual(3);
    expect(rejections).toBeGreaterThanOrEqual(1);
  });

  test('the leader goes on after its last entry of the conflicting term, where it has that term', () => {
    const replica = new Replica({ log: logOf([1, 1, 2, 2, 4, 4]) });
    becomeLeader(replica);
    // The follower's log is 1 1 2 2 2 2.
    const retry = oneOf('AppendEntries', replica.hear(appendResponse(n2, n1, 5, 0, rejection(6, 2, 3, 6))));
    expect(retry).toMatchObject({ prevIndex: 4, prevTerm: 2 });
  });

  test('a rejection of what was not asked last is late and changes nothing', () => {
    const replica = new Replica({ log });
    becomeLeader(replica);
    replica.hear(appendResponse(n2, n1, 3, 4));
    replica.hear(appendResponse(n2, n1, 3, 0, rejection(3, 1, 1, 3)));
    expect(progressOf(replica, n2)).toMatchObject({ matchIndex: 4, nextIndex: 5, state: 'replicate' });
  });

  const figure7: [string, number[]][] = [
    ['a: an entry is missing', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['b: many entries are missing', [1, 1, 1, 4]],
    ['c: one extra entry of the last term', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d: two extra entries of a later term', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e: entries missing and others extra', [1, 1, 1, 4, 4, 4, 4]],
    ['f: three terms that nobody else has', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ];
  test.each(figure7)(
    'figure 7, follower %s: "the leader brings the follower\'s log into consistency with its own"',
    (_name, terms) => {
      const leaderLog = logOf([1, 1, 1, 4, 4, 5, 5, 6, 6, 6]);
      const cluster = new Cluster({
        logs: { [n1]: leaderLog, [n2]: logOf(terms), [n3]: leaderLog },
        of: () => ({ term: 7 }),
      });
      cluster.elect(n1);
      cluster.tick(10, n1);
      cluster.history.mustAgree(cluster.all);
      expect(termsOf(cluster.at(n2).disk.durableLog)).toEqual([1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]);
    },
  );
});

describe('the whole', () => {
  test('"a log entry is committed once the leader has replicated it on a majority", also without the rest', () => {
    const cluster = new Cluster({
      members: quintet,
      logs: Object.fromEntries(quintet.map((id) => [id, logOf([1, 1], quintet)])),
    });
    const leader = cluster.elect(n1);
    for (const id of quintet.slice(3)) cluster.isolate(id);
    leader.core.propose([draft('a')]);
    cluster.settle();
    expect(leader.core.commitIndex).toBe(4);
    cluster.isolate(quintet[2]!);
    leader.core.propose([draft('b')]);
    cluster.settle();
    expect(leader.core.commitIndex).toBe(4);
    cluster.heal();
    cluster.tick(20, n1);
    expect(leader.core.commitIndex).toBe(5);
    cluster.history.mustAgree(cluster.all);
  });

  test('an empty cluster founds itself: entry 1 is the configuration, and everybody has it', () => {
    const cluster = new Cluster();
    const leader = cluster.elect(n2);
    leader.core.propose([draft('a')]);
    cluster.settle();
    cluster.tick(10, n2);
    cluster.history.mustAgree(cluster.all);
    expect(cluster.at(n3).disk.durableLog.map((entry) => entry.kind)).toEqual([2, 3]);
    expect(
      cluster
        .at(n3)
        .core.status()
        .configuration?.members.map((one) => one.id),
    ).toEqual(trio);
  });

  test('every message is answered or ignored, whatever state a core is in', () => {
    const states = [() => {}, becomeCandidate, becomeLeader];
    const messages: PeerMessage[] = [
      voteResponse(n2, n1, 0),
      appendResponse(n2, n1, 3, 999),
      heartbeatResponse(n2, n1, 3, 999, 999),
      appendResponse(n2, n1, 3, 0, rejection(3, 2, 1, 1)),
      appendEntries(n2, n1, { term: 2, log, after: 0 }),
    ];
    for (const become of states) {
      for (const message of messages) {
        const replica = new Replica({ log });
        become(replica);
        expect(() => replica.hear(message)).not.toThrow();
        expect(replica.core.commitIndex).toBeLessThanOrEqual(replica.core.lastIndex);
      }
    }
  });
});
