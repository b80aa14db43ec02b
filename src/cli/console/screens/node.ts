import { describeFault } from '../../../node/index.ts';
import { dateTimeOf } from '../../log-line.ts';
import { snapshotText } from '../../snapshot-text.ts';
import { groupOf, lagOf, type ConsoleModel, type ConsoleNode } from '../model.ts';
import { bytes, count, millis, span } from '../numbers.ts';
import { panel } from '../panel.ts';
import { line, padEnd, segment, type Line } from '../text.ts';
import type { Glyphs } from '../theme.ts';
import { selectedNode } from '../ui-state.ts';
import { eventLine } from './events.ts';
import type { Canvas } from './frame.ts';
import { roleOf } from './overview.ts';

const LABEL_COLUMNS = 14;

/** All that one node says of itself, and what happened to it. */
export function drawNode({ model, ui, columns, rows, glyphs }: Canvas): Line[] {
  const node = selectedNode(ui, model);
  if (node === null)
    return panel({ title: 'Node', rows: [line(' no node is known yet')] }, columns, rows, glyphs);
  const facts = factsOf(node, model, glyphs);
  const height = Math.min(rows, facts.length + 2);
  const age = node.ageMs === null ? 'never heard' : `heard ${span(node.ageMs)} ago`;
  const top = panel(
    { title: node.name, note: `${node.address}; ${age}`, rows: facts },
    columns,
    height,
    glyphs,
  );
  const left = rows - top.length;
  if (left < 3) return top;
  const own = model.events.filter((event) => event.node === node.name).slice(-(left - 2));
  const rowsOfEvents = own.toReversed().map((event) => eventLine(event, glyphs));
  return [...top, ...panel({ title: `Events of ${node.name}`, rows: rowsOfEvents }, columns, left, glyphs)];
}

function factsOf(node: ConsoleNode, model: ConsoleModel, glyphs: Glyphs): Line[] {
  const { status } = node;
  const group = groupOf(node);
  const fact = (label: string, ...parts: Line): Line => line(` ${padEnd(label, LABEL_COLUMNS)} `, ...parts);
  const isLeader = node.name === model.leader?.name;
  const facts: Line[] = [
    fact(
      'role',
      ...roleOf(node, isLeader, glyphs),
      segment(` in term ${count(group?.term)}, voted for `),
      segment(group?.votedFor ?? 'nobody'),
    ),
  ];
  if (!node.isUp) facts.push(fact('why', segment(node.why ?? 'not reached yet', 'bad')));
  if (status === null || group === null) return facts;
  const { pace, disk, faults, unsafe } = status;
  const election = group.lastElection;
  facts.push(
    fact(
      'log',
      segment(
        `${count(group.firstIndex)} to ${count(group.lastIndex)}, durable ${count(group.durableIndex)}`,
      ),
    ),
    fact(
      'committed',
      segment(
        `${count(group.commitIndex)}, applied ${count(group.appliedIndex)}, lag ${isLeader ? glyphs.none : count(lagOf(node, model.leader))}`,
      ),
    ),
    fact('counts', group.eligible ? segment('yes') : segment(`no: ${group.ineligibleWhy ?? '?'}`, 'warn')),
    fact(
      'election',
      election === null
        ? segment('none known', 'dim')
        : segment(
            `${election.leaderId} leads term ${election.term} since ${dateTimeOf(election.atMs)}: ${election.why}`,
          ),
    ),
    fact(
      'syncs',
      segment(
        pace.syncMs === null
          ? '?'
          : `p50 ${millis(pace.syncMs.p50)}  p99 ${millis(pace.syncMs.p99)}  max ${millis(pace.syncMs.max)}`,
      ),
    ),
    fact(
      'commits',
      segment(
        pace.commitMs === null
          ? glyphs.none
          : `p50 ${millis(pace.commitMs.p50)}  p99 ${millis(pace.commitMs.p99)}  max ${millis(pace.commitMs.max)}`,
      ),
    ),
    fact('loop', segment(`up to ${millis(pace.loopDelayMs)} late`)),
    fact(
      'storage',
      segment(
        `wal ${bytes(status.counters['walBytesWritten'])} written in ${count(status.counters['walSegments'])} segments, checkpoint at ${count(status.counters['checkpointIndex'])}`,
      ),
    ),
    fact('disk', segment(disk === null ? '?' : `${bytes(disk.freeBytes)} of ${bytes(disk.totalBytes)} free`)),
    fact(
      'clients',
      segment(
        `${count(status.counters['clientConnections'])} connected, ${count(status.counters['watchers'])} look on`,
      ),
    ),
    fact(
      'process',
      segment(
        `version ${status.version}, up ${span(model.nowMs - status.startedAtMs)}, ${status.durability}, ${node.isManaged ? 'started from here' : 'not started from here'}`,
      ),
    ),
    ...status.snapshots.map((snapshot) =>
      fact(
        'snapshot',
        segment(
          `${snapshotText(snapshot)} of ${bytes(snapshot.bytes)}, ${snapshot.direction === 'in' ? 'from' : 'to'} ${snapshot.peer}, at index ${count(snapshot.index)}`,
        ),
      ),
    ),
    fact('faults', ...faultsOf(status.allowsFaults, faults)),
    ...unsafe.map((promise) => fact('UNSAFE', segment(promise, 'danger'))),
    ...group.progress.map((follower) =>
      fact(
        `${glyphs.arrow} ${follower.id}`,
        segment(
          `${follower.state}, match ${count(follower.matchIndex)}, ${follower.inflightMessages} in flight, RTT ${millis(follower.roundTripMs)}, heard ${span(follower.lastHeardMs)} ago`,
        ),
      ),
    ),
  );
  return facts;
}

function faultsOf(isAllowed: boolean, faults: NonNullable<ConsoleNode['status']>['faults']): Line {
  if (faults.length === 0) return [segment(isAllowed ? 'none' : 'none; not allowed here', 'dim')];
  return faults.flatMap((fault, at) => [
    segment(at === 0 ? '' : '; '),
    segment(
      `${fault.id} ${describeFault(fault.spec)}, ${span(fault.remainingMs)} left (${fault.owner})`,
      'warn',
    ),
  ]);
}
