import { describe, expect, test } from 'vitest';
import type { InstallSnapshot, InstallSnapshotResponse, SnapshotId } from '../../src/base/peer-message.ts';
import { mutationsOf } from '../../src/base/mutations.ts';
import { entryTime, type Entry } from '../../src/base/entry.ts';
import { logIndex, term, type NodeId } from '../../src/base/units.ts';
import { becomeLeader } from './support/campaigns.ts';
import { draft, logOf, n1, n2, n3 } from './support/logs.ts';
import {
  appendEntries,
  appendResponse,
  heartbeatResponse,
  ofType,
  oneOf,
  rejection,
} from './support/messages.ts';
import { Replica } from './support/replica.ts';

// Section 7 and figure 13. A test is named after the sentence that it tests, or after what this core does instead.

const log = logOf([1, 1, 1, 2, 2, 2]);
const BYTES = 1000;

function snapshotAt(index: number, of: readonly Entry[] = log): SnapshotId {
  const entry = of[index - 1] as Entry;
  const { term: lastIncludedTerm, checksum: lastIncludedChecksum } = entry;
  return {
    lastIncludedIndex: entry.index,
    lastIncludedTerm,
    lastIncludedChecksum,
    bytes: BYTES,
    checksum: 7,
  };
}

function piece(from: NodeId, to: NodeId, inTerm: number, snapshot: SnapshotId, offset = 0): InstallSnapshot {
  return {
    type: 'InstallSnapshot',
    from,
    to,
    term: term(inTerm),
    snapshot,
    offset,
    data: new Uint8Array(100),
  };
}

function answer(
  from: NodeId,
  to: NodeId,
  inTerm: number,
  snapshot: SnapshotId,
  offset: number,
  installed = false,
): InstallSnapshotResponse {
  return { type: 'InstallSnapshotResponse', from, to, term: term(inTerm), snapshot, offset, installed };
}

/** What this replica was asked to store, by the Readys since. */
function watchPieces(replica: Replica): InstallSnapshot[] {
  const pieces: InstallSnapshot[] = [];
  replica.onReady = (ready) => pieces.push(...ready.snapshotPieces);
  return pieces;
}

/** A leader of term 3 whose log begins behind index 4, and n2 that has nothing of it. */
function leaderOfTrimmedLog(): { leader: Replica; wanted: { to: NodeId; term: number }[] } {
  const leader = new Replica({ log, base: 4 });
  const wanted: { to: NodeId; term: number }[] = [];
  leader.onReady = (ready) => wanted.push(...ready.snapshotsWanted);
  becomeLeader(leader);
  leader.hear(appendResponse(n3, n1, 3, 7));
  leader.hear(appendResponse(n2, n1, 3, 0, rejection(6, 0, 2, 1)));
  return { leader, wanted };
}

function stateOf(replica: Replica, id: NodeId): string | undefined {
  return replica.core.status().progress.find((one) => one.id === id)?.state;
}

describe('figure 13, the receiver', () => {
  test('"reply immediately if term < currentTerm"', () => {
    const replica = new Replica({ log: log.slice(0, 2), term: 3 });
    const pieces = watchPieces(replica);
    const messages = replica.hear(piece(n2, n1, 2, snapshotAt(4)));
    expect(oneOf('InstallSnapshotResponse', messages)).toMatchObject({ to: n2, term: 3, installed: false });
    expect(pieces).toEqual([]);
    expect(replica.core.leader).toBeNull();
  });

  test('a leader of this term is followed, and the election timer starts anew', () => {
    const replica = new Replica({ log: log.slice(0, 2), term: 2 });
    replica.tick(14);
    replica.hear(piece(n2, n1, 3, snapshotAt(4)));
    expect(replica.core.leader).toBe(n2);
    expect(replica.core.term).toBe(3);
    replica.tick(14);
    expect(replica.core.role).toBe('follower');
  });

  test('"write data into snapshot file at given offset", "reply and wait for more data chunks if done is false"', () => {
    const replica = new Replica({ log: log.slice(0, 2), term: 2 });
    const pieces = watchPieces(replica);
    expect(ofType('InstallSnapshotResponse', replica.hear(piece(n2, n1, 2, snapshotAt(4), 300)))).toEqual([]);
    expect(pieces).toMatchObject([{ offset: 300 }]);
    replica.core.snapshotStored(pieces[0] as InstallSnapshot, 400);
    const stored = oneOf('InstallSnapshotResponse', replica.settle());
    expect(stored).toMatchObject({ to: n2, term: 2, offset: 400, installed: false, snapshot: snapshotAt(4) });
  });

  test('what was stored for a leader that leads no more is not answered', () => {
    const replica = new Replica({ log: log.slice(0, 2), term: 2 });
    const pieces = watchPieces(replica);
    replica.hear(piece(n2, n1, 2, snapshotAt(4)));
    replica.hear(appendEntries(n3, n1, { term: 3, log: log.slice(0, 2), after: 2 }));
    replica.core.snapshotStored(pieces[0] as InstallSnapshot, 100);
    expect(ofType('InstallSnapshotResponse', replica.settle())).toEqual([]);
  });

  test('"if existing log entry has same index and term as snapshot’s last included entry, retain log entries following it and reply"', () => {
    const replica = new Replica({ log, term: 2 });
    const pieces = watchPieces(replica);
    const messages = replica.hear(piece(n2, n1, 3, snapshotAt(4)));
    expect(oneOf('InstallSnapshotResponse', messages)).toMatchObject({ installed: true, offset: BYTES });
    expect(pieces).toEqual([]);
    expect(replica.core.lastIndex).toBe(6);
  });

  test('a log with another entry there, or none, needs the snapshot', () => {
    const conflicting = new Replica({ log: logOf([1, 1, 1, 1, 1, 1]), term: 2 });
    const short = new Replica({ log: log.slice(0, 3), term: 2 });
    for (const replica of [conflicting, short]) {
      const pieces = watchPieces(replica);
      replica.hear(piece(n2, n1, 3, snapshotAt(4)));
      expect(pieces).toHaveLength(1);
      expect(replica.core.needsSnapshot(pieces[0] as InstallSnapshot)).toBe(true);
    }
  });

  test('a snapshot that ends at or below the commit index is never stored: the state machine does not go back', () => {
    const replica = new Replica({ log, term: 2, commit: 5 });
    const pieces = watchPieces(replica);
    for (const index of [3, 5]) {
      const messages = replica.hear(piece(n2, n1, 3, snapshotAt(index)));
      expect(oneOf('InstallSnapshotResponse', messages)).toMatchObject({ installed: true });
    }
    expect(pieces).toEqual([]);
  });

  test('the museum has one that takes in what it has already, and goes back', () => {
    const raft = { mutations: mutationsOf(['installsOlderSnapshots']) };
    const replica = new Replica({ log, term: 2, commit: 5, raft });
    const pieces = watchPieces(replica);
    replica.hear(piece(n2, n1, 3, snapshotAt(3)));
    expect(pieces).toHaveLength(1);
    expect(replica.core.needsSnapshot(pieces[0] as InstallSnapshot)).toBe(true);
  });

  test('what was needed when it began to come may be needed no more when it is there', () => {
    const replica = new Replica({ log: log.slice(0, 2), term: 2 });
    const pieces = watchPieces(replica);
    replica.hear(piece(n2, n1, 2, snapshotAt(4)));
    replica.hear(appendEntries(n3, n1, { term: 3, log, after: 2, commit: 4 }));
    expect(replica.core.needsSnapshot(pieces[0] as InstallSnapshot)).toBe(false);
  });

  test('a node whose vote was lost says nothing', () => {
    const replica = new Replica({ log: log.slice(0, 2), term: 2, hardStateTrusted: false });
    const pieces = watchPieces(replica);
    expect(ofType('InstallSnapshotResponse', replica.hear(piece(n2, n1, 2, snapshotAt(4))))).toEqual([]);
    expect(pieces).toEqual([]);
  });

  test('"discard the entire log", "reset state machine ... and load snapshot’s cluster configuration": a core that begins with it', () => {
    const replica = new Replica({ log: log.slice(0, 4), base: 4 });
    const { core } = replica;
    expect([core.firstIndex, core.lastIndex, core.commitIndex, core.durableIndex]).toEqual([5, 4, 4, 4]);
    expect(core.status().configuration?.members).toHaveLength(3);
    // Replication goes on behind it, by the checksum that the snapshot told.
    const messages = replica.hear(appendEntries(n2, n1, { term: 3, log, after: 4 }));
    expect(oneOf('AppendEntriesResponse', messages)).toMatchObject({ matchIndex: 6, rejection: null });
    // An append that begins before it says nothing new about what is committed.
    const earlier = replica.hear(appendEntries(n2, n1, { term: 3, log, after: 2 }));
    expect(oneOf('AppendEntriesResponse', earlier)).toMatchObject({ matchIndex: 6, rejection: null });
  });

  test('such a core compares logs by the end of the snapshot', () => {
    const replica = new Replica({ log: log.slice(0, 4), base: 4 });
    const status = replica.core.status();
    expect([status.lastIndex, status.lastTerm]).toEqual([4, 2]);
  });

  test('such a core stamps nothing with a time before the snapshot', () => {
    const lastTimeMs = 1_800_000_000_000;
    const leader = new Replica({ log: log.slice(0, 4), base: 4, lastTimeMs });
    const written: number[] = [];
    leader.onReady = (ready) => written.push(...ready.entries.map((entry) => entryTime(entry)));
    becomeLeader(leader);
    expect(written).toEqual([lastTimeMs]);
  });
});

describe('the leader', () => {
  test('"the leader must occasionally send snapshots to followers that lag behind": when it has discarded the next entry', () => {
    const { leader, wanted } = leaderOfTrimmedLog();
    expect(stateOf(leader, n2)).toBe('snapshot');
    expect(wanted).toEqual([{ to: n2, term: 3 }]);
  });

  test('sends pieces only while they are wanted', () => {
    const { leader } = leaderOfTrimmedLog();
    const sent = { snapshot: snapshotAt(4), offset: 0, data: new Uint8Array(10) };
    expect(leader.core.sendSnapshot({ to: n2, term: term(3) }, sent)).toBe(true);
    expect(oneOf('InstallSnapshot', leader.settle())).toMatchObject({ to: n2, term: 3, ...sent });
    expect(leader.core.sendSnapshot({ to: n3, term: term(3) }, sent)).toBe(false);
    expect(leader.core.sendSnapshot({ to: n2, term: term(2) }, sent)).toBe(false);
    leader.core.stepDown('a test');
    expect(leader.core.sendSnapshot({ to: n2, term: term(3) }, sent)).toBe(false);
  });

  test('sends no entries meanwhile, and heartbeats go on', () => {
    const { leader } = leaderOfTrimmedLog();
    leader.tick(5);
    const messages = leader.settle().filter((message) => message.to === n2);
    expect(messages.map((message) => message.type)).toEqual(['Heartbeat']);
  });

  test('goes on behind the snapshot when the follower has it', () => {
    const { leader } = leaderOfTrimmedLog();
    const messages = leader.hear(answer(n2, n1, 3, snapshotAt(4), BYTES, true));
    expect(oneOf('AppendEntries', messages)).toMatchObject({ to: n2, prevIndex: 4, prevTerm: 2 });
    expect(stateOf(leader, n2)).toBe('probe');
    expect(leader.core.commitIndex).toBe(7);
  });

  test('does not count a snapshot as an acknowledgement', () => {
    const { leader } = leaderOfTrimmedLog();
    leader.hear(answer(n2, n1, 3, snapshotAt(4), BYTES, true));
    expect(leader.core.status().progress.find((one) => one.id === n2)?.matchIndex).toBe(0);
  });

  test('asks for another when its log has gone on beyond the one that was sent', () => {
    const { leader, wanted } = leaderOfTrimmedLog();
    leader.hear(answer(n2, n1, 3, snapshotAt(2), BYTES, true));
    expect(stateOf(leader, n2)).toBe('snapshot');
    expect(wanted).toHaveLength(2);
  });

  test('that could not send it asks for it again at the next answered heartbeat', () => {
    const { leader, wanted } = leaderOfTrimmedLog();
    leader.core.snapshotFailed({ to: n2, term: term(3) });
    leader.settle();
    expect(wanted).toHaveLength(1);
    leader.tick(5);
    const [beat] = ofType('Heartbeat', leader.settle()).filter((message) => message.to === n2);
    const [probe] = ofType('AppendEntries', leader.hear(heartbeatResponse(n2, n1, 3, beat?.round ?? 0)));
    expect(probe).toMatchObject({ to: n2, prevIndex: 7 });
    leader.hear(appendResponse(n2, n1, 3, 0, rejection(7, 0, 2, 1)));
    expect(wanted).toHaveLength(2);
  });

  test('asks for it again when the lane it went on was dialled anew', () => {
    const { leader, wanted } = leaderOfTrimmedLog();
    leader.core.peerReachable(n2, 'bulk', false);
    leader.settle();
    expect(wanted).toHaveLength(1);
    leader.core.peerReachable(n2, 'bulk', true);
    leader.settle();
    leader.hear(appendResponse(n2, n1, 3, 0, rejection(7, 0, 2, 1)));
    expect(wanted).toHaveLength(2);
  });

  test('asks one that never acknowledged anything, when its lane is new, whether it has all of the log', () => {
    const { leader, wanted } = leaderOfTrimmedLog();
    leader.core.peerReachable(n2, 'bulk', true);
    expect(oneOf('AppendEntries', leader.settle())).toMatchObject({ to: n2, prevIndex: 7 });
    leader.hear(appendResponse(n2, n1, 3, 7));
    expect(stateOf(leader, n2)).toBe('replicate');
    expect(wanted).toHaveLength(1);
  });

  test('stays in office though nothing commits, as long as the voter that it needs gets on with its snapshot', () => {
    const { leader } = leaderOfTrimmedLog();
    leader.core.propose([draft('waits for n2, for n3 is gone')]);
    const beat = (): void => {
      leader.tick(5);
      for (const { to, round } of ofType('Heartbeat', leader.settle()))
        if (to === n2) leader.hear(heartbeatResponse(n2, n1, 3, round));
    };
    for (let offset = 10; offset < 400; offset += 10) {
      leader.hear(answer(n2, n1, 3, snapshotAt(4), offset));
      beat();
      expect(leader.core.role).toBe('leader');
    }
    for (let round = 0; round < 13; round += 1) beat();
    expect(leader.core.role).toBe('follower');
  });

  test('of an older term steps down by the answer', () => {
    const { leader } = leaderOfTrimmedLog();
    leader.hear(answer(n2, n1, 4, snapshotAt(4), 0));
    expect(leader.core.role).toBe('follower');
    expect(leader.core.term).toBe(4);
  });

  test('an acknowledgement that was long on its way ends the wish for a snapshot', () => {
    const { leader } = leaderOfTrimmedLog();
    leader.hear(appendResponse(n2, n1, 3, 5));
    expect(stateOf(leader, n2)).not.toBe('snapshot');
  });
});

describe('a log that is trimmed while its node runs', () => {
  /** Leads term 3 with entries 1 to 7, all committed; n2 has nothing so far. */
  function leaderOfWholeLog(): { leader: Replica; wanted: { to: NodeId; term: number }[] } {
    const leader = new Replica({ log });
    const wanted: { to: NodeId; term: number }[] = [];
    leader.onReady = (ready) => wanted.push(...ready.snapshotsWanted);
    becomeLeader(leader);
    leader.hear(appendResponse(n3, n1, 3, 7));
    return { leader, wanted };
  }

  test('begins later, and knows the term of the entry before', () => {
    const { leader } = leaderOfWholeLog();
    leader.core.trimmed(logIndex(5));
    const { core } = leader;
    expect([core.firstIndex, core.lastIndex]).toEqual([5, 7]);
    expect([3, 4, 5].map((index) => core.termAt(logIndex(index)))).toEqual([null, 2, 2]);
    expect(core.termRuns).toEqual([
      { firstIndex: 4, term: 2 },
      { firstIndex: 7, term: 3 },
    ]);
    core.trimmed(logIndex(2));
    expect(core.firstIndex).toBe(5);
  });

  test('sends a snapshot to who is behind that, and the log to who is not', () => {
    const { leader, wanted } = leaderOfWholeLog();
    leader.core.trimmed(logIndex(5));
    const appended = oneOf('AppendEntries', leader.hear(appendResponse(n2, n1, 3, 0, rejection(6, 0, 5, 4))));
    expect(appended).toMatchObject({ to: n2, prevIndex: 4, prevTerm: 2 });
    expect(wanted).toEqual([]);
    leader.core.peerReachable(n2, 'bulk', true);
    leader.settle();
    leader.hear(appendResponse(n2, n1, 3, 0, rejection(7, 0, 3, 2)));
    expect(wanted).toEqual([{ to: n2, term: 3 }]);
  });

  test('is never trimmed beyond what is committed and durable here', () => {
    const leader = new Replica({ log });
    becomeLeader(leader);
    expect(() => leader.core.trimmed(logIndex(7))).toThrow(/the log would begin at 7/);
  });
});
