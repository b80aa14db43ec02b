import { entryBody, EntryKind, type Entry } from '../../../../src/base/entry.ts';
import { decodeConfiguration, type Configuration } from '../../../../src/base/configuration.ts';
import type { PeerMessage } from '../../../../src/base/peer-message.ts';
import type { RaftCore, RaftEvent, Ready } from '../../../../src/raft/index.ts';

// How a scenario shows things to its reader: one line each, numbers named. `5@2` is the entry of index 5 and term 2.

export function describeReady(id: string, ready: Ready): string[] {
  const lines: string[] = [];
  for (const event of ready.events) lines.push(`${id}: ${describeEvent(event)}`);
  const writes: string[] = [];
  if (ready.hardState !== null) {
    const { term, votedFor } = ready.hardState;
    writes.push(`term ${term}, vote ${votedFor ?? 'none'}`);
  }
  if (ready.truncateFrom !== null) writes.push(`drop from ${ready.truncateFrom}`);
  if (ready.entries.length > 0) writes.push(`entries ${describeEntries(ready.entries)}`);
  if (writes.length > 0) lines.push(`${id}: writes #${ready.number}: ${writes.join('; ')}`);
  for (const message of ready.messages) lines.push(describeMessage(message));
  for (const read of ready.reads)
    lines.push(`${id}: read ${read.token} may be served at index ${read.index}`);
  for (const token of ready.readsRefused) lines.push(`${id}: read ${token} is refused`);
  for (const read of ready.logReads) {
    lines.push(
      `${id}: reads its log from ${read.firstIndex} for ${read.to}, up to ${read.entriesMax} entries`,
    );
  }
  for (const { to } of ready.snapshotsWanted) lines.push(`${id}: is to send ${to} a snapshot`);
  for (const { snapshot, offset } of ready.snapshotAnswers)
    lines.push(`${id}: is told of the snapshot at ${snapshot.lastIncludedIndex}: ${offset} bytes`);
  for (const { snapshot, offset, data } of ready.snapshotPieces)
    lines.push(
      `${id}: is to store bytes ${offset} to ${offset + data.length} of the snapshot at ${snapshot.lastIncludedIndex}`,
    );
  for (const lane of ready.resetBulkLanes) lines.push(`${id}: dials its bulk lane to ${lane} anew`);
  return lines;
}

export function describeMessage(message: PeerMessage): string {
  return `${message.from} -> ${message.to} ${message.type}: term ${message.term}${describeBody(message)}`;
}

function describeBody(message: PeerMessage): string {
  switch (message.type) {
    case 'PreVote':
    case 'RequestVote':
      return `, log ends at ${show(message.lastTerm, message.lastIndex)}, ${message.reason}`;
    case 'PreVoteResponse':
    case 'RequestVoteResponse':
      return `, ${message.verdict}`;
    case 'AppendEntries': {
      const entries = message.entries.length === 0 ? 'nothing' : describeEntries(message.entries);
      return `, after ${show(message.prevTerm, message.prevIndex)}: ${entries}, commit ${message.commitIndex}`;
    }
    case 'AppendEntriesResponse': {
      if (message.rejection === null) return `, match ${message.matchIndex}`;
      const { prevIndex, conflictTerm, conflictIndex } = message.rejection;
      const why = conflictTerm === 0 ? 'log too short' : `term ${conflictTerm} there`;
      return `, match ${message.matchIndex}, rejects ${prevIndex}: ${why}, go on at ${conflictIndex}`;
    }
    case 'Heartbeat':
      return `, round ${message.round}, commit ${message.commitIndex}`;
    case 'HeartbeatResponse':
      return `, round ${message.round}, match ${message.matchIndex}`;
    case 'InstallSnapshot': {
      const { snapshot, offset, data } = message;
      const what = `snapshot at ${show(snapshot.lastIncludedTerm, snapshot.lastIncludedIndex)} of ${snapshot.bytes} bytes`;
      return `, ${what}, ${data.length} bytes from ${offset} on`;
    }
    case 'InstallSnapshotResponse': {
      const { snapshot, offset, installed } = message;
      const what = `snapshot at ${snapshot.lastIncludedIndex}`;
      return installed ? `, has the ${what}` : `, lacks the ${what} from ${offset} on`;
    }
    case 'TimeoutNow':
      return '';
  }
}

function describeEvent(event: RaftEvent): string {
  switch (event.type) {
    case 'role-changed':
      return `${event.from} becomes ${event.to} in term ${event.term}: ${event.why}`;
    case 'leader-changed':
      return `leader of term ${event.term} is ${event.leader ?? 'not known'}: ${event.why}`;
    case 'term-changed':
      return `term ${event.from} becomes ${event.term}: ${event.why}`;
    case 'campaign-started':
      return `starts a ${event.kind} for term ${event.term} (${event.reason}, ${event.silentTicks} ticks of silence)`;
    case 'vote-cast':
      return `${event.kind} for ${event.candidate} in term ${event.term}: ${event.verdict}, ${event.why}`;
    case 'vote-received':
      return `${event.from} answers the ${event.kind}: ${event.verdict}`;
    case 'election-won':
      return `wins term ${event.term} with ${event.votes.length} of ${event.voters} votes: ${event.votes.join(' ')}`;
    case 'transfer-started':
      return `hands leadership to ${event.target}`;
    case 'transfer-ended':
      return `hand-over to ${event.target}: ${event.outcome}`;
    case 'log-truncated':
      return `drops entries ${event.from} to ${event.lastIndexBefore}`;
    case 'configuration-committed':
      return `configuration at ${event.index} is committed: ${describeMembers(event.configuration)}`;
    case 'follower-state':
      return `${event.follower} is in state ${event.state}: ${event.why}`;
  }
}

export function describeState(core: RaftCore): string {
  const { votedFor, leader, ineligibleWhy, transferTarget } = core.status();
  const runs = core.termRuns.map((run, at) => {
    const end = (core.termRuns[at + 1]?.firstIndex ?? core.lastIndex + 1) - 1;
    return run.firstIndex === end ? `${end}@${run.term}` : `${run.firstIndex}..${end}@${run.term}`;
  });
  const parts = [
    `${core.id} ${core.role}`,
    `term ${core.term}`,
    `vote ${votedFor ?? 'none'}`,
    `leader ${leader ?? 'not known'}`,
    `log ${runs.length === 0 ? 'empty' : runs.join(' ')}`,
    `durable ${core.durableIndex}`,
    `commit ${core.commitIndex}`,
  ];
  if (transferTarget !== null) parts.push(`handing over to ${transferTarget}`);
  if (ineligibleWhy !== null) parts.push(`may not vote: ${ineligibleWhy}`);
  return parts.join(', ');
}

export function describeProgress(core: RaftCore): string[] {
  return core.status().progress.map((one) => {
    const flags = `${one.recentlyActive ? '' : ', silent'}${one.counts ? '' : ', does not count'}`;
    const inflight = `${one.inflightMessages} messages of ${one.inflightBytes} bytes under way`;
    return `${core.id} sees ${one.id}: ${one.state}, match ${one.matchIndex}, next ${one.nextIndex}, ${inflight}${flags}`;
  });
}

export function describeEntries(entries: readonly Entry[]): string {
  const first = entries[0];
  const last = entries.at(-1);
  if (entries.length <= 4) return entries.map(describeEntry).join(' ');
  return `${first?.index}..${last?.index} of term ${first?.term === last?.term ? first?.term : `${first?.term}..${last?.term}`}`;
}

function describeEntry(entry: Entry): string {
  return `${entry.index}@${entry.term}${describeContent(entry)}`;
}

/** What an entry says: proposals of scenarios are text. */
function describeContent(entry: Entry): string {
  if (entry.kind === EntryKind.noop) return ':noop';
  if (entry.kind === EntryKind.configuration) {
    return `:members(${describeMembers(decodeConfiguration(entryBody(entry)))})`;
  }
  return `:${new TextDecoder().decode(entryBody(entry)).replace(/\0+$/, '')}`;
}

function describeMembers({ members }: Configuration): string {
  return members
    .map((member) => `${member.id}=${member.incarnation === 0 ? '?' : member.incarnation}`)
    .join(' ');
}

function show(term: number, index: number): string {
  return `(term ${term}, index ${index})`;
}
