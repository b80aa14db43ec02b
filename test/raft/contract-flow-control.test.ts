import { describe, expect, test } from 'vitest';
import { ENTRY_HEADER_BYTES } from '../../src/base/entry.ts';
import type { AppendEntries } from '../../src/base/peer-message.ts';
import { logIndex } from '../../src/base/units.ts';
import type { RaftOptions } from '../../src/raft/options.ts';
import { becomeLeader } from './support/campaigns.ts';
import { Cluster } from './support/cluster.ts';
import { draft, logOf, n1, n2, n3, termsOf } from './support/logs.ts';
import { appendResponse, heartbeat, heartbeatResponse, ofType, rejection } from './support/messages.ts';
import { Replica } from './support/replica.ts';

// How much may be under way to a follower, and where it comes from. What the paper leaves to the implementer.

const log = logOf([1, 1, 2]);

/** n1 leads term 3; n2 has acknowledged its first entry and is replicated to. */
function leader(raft: Partial<RaftOptions> = {}): Replica {
  const replica = new Replica({ log, raft });
  becomeLeader(replica);
  replica.hear(appendResponse(n2, n1, 3, 4));
  return replica;
}

function appendsTo(id: string, messages: Parameters<typeof ofType>[1]): AppendEntries[] {
  return ofType('AppendEntries', messages).filter((one) => one.to === id);
}

function indexesOf(appends: readonly AppendEntries[]): number[] {
  return appends.flatMap((one) => one.entries.map((entry) => entry.index));
}

function proposeOneByOne(replica: Replica, count: number, bodyBytes = 0): AppendEntries[] {
  const appends: AppendEntries[] = [];
  for (let one = 0; one < count; one += 1) {
    replica.core.propose([draft(`${one}`, bodyBytes)]);
    appends.push(...appendsTo(n2, replica.settle()));
  }
  return appends;
}

describe('a window', () => {
  test('bounds the messages under way, and an acknowledgement opens it again', () => {
    const replica = leader({ inflightMessagesMax: 3 });
    expect(indexesOf(proposeOneByOne(replica, 10))).toEqual([5, 6, 7]);
    // What could not leave alone leaves together.
    expect(indexesOf(appendsTo(n2, replica.hear(appendResponse(n2, n1, 3, 5))))).toEqual([
      8, 9, 10, 11, 12, 13, 14,
    ]);
  });

  test('bounds the bytes under way', () => {
    const replica = leader({ inflightBytesMax: 10_000 });
    const sent = proposeOneByOne(replica, 10, 4000 - ENTRY_HEADER_BYTES);
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(sent.length).toBeLessThanOrEqual(3);
    const before = replica.core.status().progress.find((one) => one.id === n2);
    expect(before).toMatchObject({ inflightMessages: sent.length, inflightBytes: sent.length * 4000 });
    const more = appendsTo(n2, replica.hear(appendResponse(n2, n1, 3, 4 + sent.length)));
    expect(more.length).toBeGreaterThan(0);
  });

  test('is free of what was acknowledged, cumulatively', () => {
    const replica = leader({ inflightMessagesMax: 4 });
    proposeOneByOne(replica, 4);
    replica.hear(appendResponse(n2, n1, 3, 7));
    expect(replica.core.status().progress.find((one) => one.id === n2)?.inflightMessages).toBe(1);
    replica.hear(appendResponse(n2, n1, 3, 8));
    expect(replica.core.status().progress.find((one) => one.id === n2)).toMatchObject({
      inflightMessages: 0,
      inflightBytes: 0,
    });
  });

  test('opens by the acknowledgement in a heartbeat response, too', () => {
    const replica = leader({ inflightMessagesMax: 1 });
    proposeOneByOne(replica, 3);
    expect(indexesOf(appendsTo(n2, replica.hear(heartbeatResponse(n2, n1, 3, 1, 5))))).toEqual([6, 7]);
  });
});

describe('one append', () => {
  test('has no more entries than the limit', () => {
    const replica = leader({ appendEntriesMax: 3 });
    replica.core.propose(Array.from({ length: 8 }, (_, at) => draft(`${at}`)));
    expect(appendsTo(n2, replica.settle()).map((one) => one.entries.length)).toEqual([3, 3, 2]);
  });

  test('has no more bytes than the limit, except that a larger entry travels alone', () => {
    const replica = leader({ appendBytesMax: 1000 });
    const sizes = [400, 400, 400, 5000, 400];
    replica.core.propose(sizes.map((size) => draft('', size - ENTRY_HEADER_BYTES)));
    const sent = appendsTo(n2, replica.settle()).map((one) => one.entries.map((entry) => entry.bytes.length));
    expect(sent).toEqual([[400, 400], [400], [5000], [400]]);
  });
});

describe('probing', () => {
  test('sends one append and waits for its answer', () => {
    const replica = new Replica({ log });
    const first = appendsTo(n3, becomeLeader(replica));
    expect(first).toHaveLength(1);
    replica.core.propose([draft('a')]);
    replica.core.propose([draft('b')]);
    expect(appendsTo(n3, replica.settle())).toEqual([]);
    expect(indexesOf(appendsTo(n3, replica.hear(appendResponse(n3, n1, 3, 4))))).toEqual([5, 6]);
  });

  test('ends with an acknowledgement: from then on appends do not wait for each other', () => {
    const replica = leader();
    expect(replica.core.status().progress.find((one) => one.id === n2)?.state).toBe('replicate');
    expect(proposeOneByOne(replica, 3)).toHaveLength(3);
  });

  test('begins again when the bulk lane breaks: what was under way on it is lost', () => {
    const replica = leader();
    proposeOneByOne(replica, 3);
    replica.core.peerReachable(n2, 'bulk', false);
    replica.settle();
    expect(replica.core.status().progress.find((one) => one.id === n2)?.state).toBe('probe');
    replica.core.peerReachable(n2, 'bulk', true);
    const said = replica.settle();
    replica.tick(5);
    said.push(...replica.settle());
    said.push(...replica.hear(heartbeatResponse(n2, n1, 3, 1, 4)));
    expect(indexesOf(appendsTo(n2, said)).slice(0, 3)).toEqual([5, 6, 7]);
  });

  test('begins again with a rejection', () => {
    const replica = leader();
    proposeOneByOne(replica, 3);
    // The follower restarted and lost what it had not acknowledged: it holds entry 4 and is asked to append after 6.
    const said = replica.hear(appendResponse(n2, n1, 3, 4, rejection(6, 0, 5, 4)));
    expect(appendsTo(n2, said).map((one) => one.prevIndex)).toEqual([4]);
  });
});

describe('proposals', () => {
  test('beyond the limit of uncommitted bytes are refused, and taken again once something commits', () => {
    const replica = leader({ uncommittedBytesMax: 10_000 });
    let taken = 0;
    while (replica.core.propose([draft('x', 1000)]).ok) taken += 1;
    expect(taken).toBeGreaterThanOrEqual(8);
    expect(taken).toBeLessThanOrEqual(10);
    expect(replica.core.propose([draft('x', 1000)])).toEqual({ ok: false, refusal: 'uncommitted-limit' });
    expect(replica.core.lastIndex).toBe(4 + taken);
    replica.settle();
    replica.hear(appendResponse(n2, n1, 3, 4 + taken));
    expect(replica.core.propose([draft('x', 1000)]).ok).toBe(true);
  });
});

describe('entries that are not in memory', () => {
  const long = logOf([1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);

  /** n1 leads term 3 with only its newest entry in memory, and n2 asks for what follows entry 2. */
  function leaderAskedForOld(): Replica {
    const replica = new Replica({ log: long, tailEntriesMax: 1 });
    becomeLeader(replica);
    replica.step(appendResponse(n2, n1, 3, 0, rejection(10, 0, 3, 2)));
    replica.drain();
    return replica;
  }

  test('are asked of the disk', () => {
    const replica = leaderAskedForOld();
    expect(replica.logReads).toMatchObject([{ to: n2, term: 3, firstIndex: 3 }]);
    replica.answerLogReads();
    const sent = appendsTo(n2, replica.drain());
    expect(sent[0]).toMatchObject({ prevIndex: 2, prevTerm: 1, prevChecksum: long[1]?.checksum });
    expect(indexesOf(sent)[0]).toBe(3);
  });

  test('are asked for once at a time', () => {
    const replica = leaderAskedForOld();
    for (let round = 0; round < 20; round += 1) {
      replica.tick();
      replica.step(heartbeatResponse(n2, n1, 3, round));
      replica.drain();
    }
    expect(replica.logReads.filter((one) => one.to === n2)).toHaveLength(1);
  });

  test('are asked for again if they could not be read', () => {
    const replica = leaderAskedForOld();
    const [request] = replica.logReads.splice(0);
    replica.core.logRead(request!, [], 0);
    for (let round = 0; round < 20 && replica.logReads.length === 0; round += 1) {
      replica.tick();
      replica.drain();
      replica.step(heartbeatResponse(n2, n1, 3, round));
      replica.drain();
    }
    expect(replica.logReads).toMatchObject([{ to: n2, firstIndex: 3 }]);
  });

  test('come too late for a leader that leads no more', () => {
    const replica = leaderAskedForOld();
    replica.step(heartbeat(n3, n1, 9));
    replica.settle();
    const request = { to: n2, term: long[0]!.term, firstIndex: logIndex(3), entriesMax: 10, bytesMax: 1e6 };
    replica.core.logRead(request, long.slice(2), long[1]!.checksum);
    expect(appendsTo(n2, replica.drain())).toEqual([]);
  });

  test('bring a follower up to date in the end, however little is in memory', () => {
    const cluster = new Cluster({
      logs: { [n1]: long, [n2]: long, [n3]: [] },
      of: () => ({ tailEntriesMax: 0, raft: { appendEntriesMax: 2, cacheBytesMax: 1 } }),
    });
    const first = cluster.elect(n1);
    for (let one = 0; one < 20; one += 1) {
      first.core.propose([draft(`${one}`)]);
      cluster.settle();
      for (const replica of cluster.all) replica.core.applied(replica.core.commitIndex);
    }
    cluster.tick(30, n1);
    cluster.history.mustAgree(cluster.all);
    expect(termsOf(cluster.at(n3).disk.durableLog).slice(0, 11)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
  });

  test('leave memory only when they are durable, committed and applied', () => {
    const replica = leader({ cacheBytesMax: 1 });
    replica.core.propose([draft('a'), draft('b')]);
    replica.settle();
    expect(replica.core.cachedEntries(logIndex(5), logIndex(6), 1e6)).toHaveLength(2);
    replica.hear(appendResponse(n2, n1, 3, 6));
    expect(replica.core.cachedEntries(logIndex(5), logIndex(6), 1e6)).toHaveLength(2);
    replica.core.applied(logIndex(6));
    replica.core.propose([draft('c')]);
    replica.settle();
    expect(replica.core.cachedEntries(logIndex(5), logIndex(6), 1e6)).toBe(null);
    expect(replica.core.cachedEntries(logIndex(7), logIndex(7), 1e6)).toHaveLength(1);
  });

  test('are handed out up to a number of bytes, and at least one', () => {
    const replica = leader();
    replica.core.propose([draft('a', 936), draft('b', 936), draft('c', 936)]);
    replica.settle();
    expect(replica.core.cachedEntries(logIndex(5), logIndex(7), 2000)?.map((one) => one.index)).toEqual([
      5, 6,
    ]);
    expect(replica.core.cachedEntries(logIndex(5), logIndex(7), 1)?.map((one) => one.index)).toEqual([5]);
  });
});
