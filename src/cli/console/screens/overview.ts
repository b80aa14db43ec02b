import { DISK_SHARE_MAX, LAG_ENTRIES_MAX, usedShare } from '../../health.ts';
import { groupOf, lagOf, type ClusterEvent, type ConsoleModel, type ConsoleNode } from '../model.ts';
import { shareDone, snapshotFor } from '../../snapshot-text.ts';
import { count, millis, span } from '../numbers.ts';
import { beside, panel, sparkline, table, type Column } from '../panel.ts';
import { line, padEnd, padStart, segment, widthOf, type Line, type Segment } from '../text.ts';
import type { Glyphs } from '../theme.ts';
import { eventLine } from './events.ts';
import type { Canvas } from './frame.ts';

const WIDE_COLUMNS = 110;

/** Everything at a glance: who leads and why, how far everybody is, how fast it goes, what happened. */
export function drawOverview(canvas: Canvas): Line[] {
  const { model, columns, rows, glyphs } = canvas;
  const nodesHeight = Math.min(model.nodes.length + 4, Math.max(4, rows - 4));
  const nodes = panel(
    { title: 'Nodes', note: leadership(model), rows: [...nodeRows(canvas), why(model, glyphs)] },
    columns,
    nodesHeight,
    glyphs,
  );
  let left = rows - nodes.length;
  const parts: Line[] = [...nodes];
  const isWide = columns >= WIDE_COLUMNS;
  const replicationHeight = model.nodes.length + 2;
  const flowHeight = isWide ? Math.max(4, replicationHeight) : 4;
  if (left >= flowHeight) {
    parts.push(...(isWide ? wideFlow(canvas, flowHeight) : flow(canvas, columns, flowHeight)));
    left -= flowHeight;
  }
  if (!isWide && left >= replicationHeight + 4) {
    parts.push(...replication(canvas, columns, replicationHeight));
    left -= replicationHeight;
  }
  if (left >= 3) {
    const shown = model.events
      .filter(isNotable)
      .slice(-(left - 2))
      .toReversed();
    const events = shown.map((event) => eventLine(event, glyphs));
    parts.push(
      ...panel({ title: 'What happened', note: '5 all events', rows: events }, columns, left, glyphs),
    );
  }
  return parts.slice(0, rows);
}

/** Said by others better, or of no interest while all goes well. */
const MINOR: ReadonlySet<string> = new Set([
  'follower-state',
  'peer-up',
  'term-changed',
  'role-changed',
  'leader-changed',
  'configuration-committed',
  'vote-received',
  'checkpoint',
]);

function isNotable({ code, level }: ClusterEvent): boolean {
  return level === 'error' || !MINOR.has(code);
}

function leadership(model: ConsoleModel): string {
  const { leader, election, electionsLastHour, nowMs } = model;
  const times = `${electionsLastHour} ${electionsLastHour === 1 ? 'election' : 'elections'} in 1h`;
  if (leader === null) return `no leader; ${times}`;
  const since =
    election !== null && election.leader === leader.name ? ` for ${span(nowMs - election.atMs)}` : '';
  return `term ${groupOf(leader)?.term ?? '?'}; ${leader.name} leads${since}; ${times}`;
}

const NODE_COLUMNS: readonly Column[] = [
  { head: '  NODE', align: 'left', rank: 0 },
  { head: 'ROLE', align: 'left', rank: 0 },
  { head: 'TERM', align: 'right', rank: 1 },
  { head: 'COMMIT', align: 'right', rank: 0 },
  { head: 'APPLIED', align: 'right', rank: 3 },
  { head: 'LAG', align: 'right', rank: 0 },
  { head: 'RTT', align: 'right', rank: 5 },
  { head: 'SYNC p99', align: 'right', rank: 6 },
  { head: 'DISK', align: 'right', rank: 4 },
  { head: 'SEEN', align: 'right', rank: 2 },
];

function nodeRows({ model, ui, columns, glyphs }: Canvas): Line[] {
  const selected = Math.min(ui.selected, model.nodes.length - 1);
  const rows = model.nodes.map((node, at): Line[] => {
    const group = groupOf(node);
    const leaderGroup = model.leader === null ? null : groupOf(model.leader);
    const progress = leaderGroup?.progress.find(({ id }) => id === node.nodeId);
    const lag = lagOf(node, model.leader);
    const isLeader = node.name === model.leader?.name;
    const tone = node.isUp ? 'plain' : 'dim';
    return [
      line(segment(at === selected ? `${glyphs.cursor} ` : '  ', 'accent'), segment(node.name, tone)),
      line(...roleOf(node, isLeader, glyphs)),
      line(segment(count(group?.term), tone)),
      line(segment(count(group?.commitIndex), tone)),
      line(segment(count(group?.appliedIndex), tone)),
      line(
        isLeader ? glyphs.none : segment(count(lag), lag !== null && lag > LAG_ENTRIES_MAX ? 'warn' : tone),
      ),
      line(isLeader ? glyphs.none : segment(millis(progress?.roundTripMs), tone)),
      line(segment(millis(node.status?.pace.syncMs?.p99), tone)),
      line(...diskOf(node)),
      line(segment(seen(node), node.isUp ? 'plain' : 'warn')),
    ];
  });
  return table(NODE_COLUMNS, rows, columns - 2);
}

/** By word and by shape; colour comes on top. */
export function roleOf(node: ConsoleNode, isLeader: boolean, glyphs: Glyphs): Segment[] {
  const group = groupOf(node);
  const faults = (node.status?.faults.length ?? 0) > 0 ? [segment(' fault', 'warn')] : [];
  if (!node.isUp) return [segment(`${glyphs.down} ${node.why === null ? 'not reached' : 'down'}`, 'bad')];
  if (group === null) return [segment(`${glyphs.unknown} ?`, 'dim')];
  if (isLeader) return [segment(`${glyphs.leader} LEADER`, 'good'), ...faults];
  // It says so, and another one leads a higher term, or it was not heard for too long.
  if (group.role === 'leader') return [segment(`${glyphs.unknown} was leader`, 'warn'), ...faults];
  if (group.role !== 'follower') return [segment(`${glyphs.candidate} ${group.role}`, 'warn'), ...faults];
  if (!group.eligible) return [segment(`${glyphs.degraded} does not count`, 'warn'), ...faults];
  return [segment(`${glyphs.follower} follower`), ...faults];
}

function diskOf({ status }: ConsoleNode): Segment[] {
  const used = usedShare(status?.disk ?? null);
  if (used === null) return [segment('?', 'dim')];
  return [segment(`${Math.round(used * 100)}%`, used > DISK_SHARE_MAX ? 'bad' : 'plain')];
}

function seen({ ageMs }: ConsoleNode): string {
  return ageMs === null ? 'never' : span(ageMs);
}

function flow({ model, glyphs }: Canvas, columns: number, height: number): Line[] {
  const last = model.history.at(-1) ?? null;
  const room = columns - 4 - 22;
  const rates = model.history.map(({ acknowledgedPerSecond }) => acknowledgedPerSecond);
  const rows: Line[] = [
    line(
      ` ${padEnd('acks/s', 9)}${padStart(count(last?.acknowledgedPerSecond), 9)}  `,
      segment(sparkline(rates, room, glyphs), 'accent'),
    ),
    line(
      ` ${padEnd('commit', 9)}${padStart(millis(last?.commitP50Ms), 9)}  p50, `,
      `${millis(last?.commitP99Ms)} p99 at the leader; sync p99 ${millis(model.leader?.status?.pace.syncMs?.p99)}`,
    ),
  ];
  return panel(
    { title: 'Flow', note: `${Math.min(60, model.history.length)} s`, rows },
    columns,
    height,
    glyphs,
  );
}

/** The first question after every failover, answered before it is asked. */
export function why(model: ConsoleModel, glyphs: Glyphs): Line {
  const { election, nowMs } = model;
  if (election === null) return line(segment(' election   none that any node remembers', 'dim'));
  const gap = election.leaderlessMs === null ? '' : `, nobody led for ${span(election.leaderlessMs)}`;
  return line(
    ' election  ',
    segment(`${election.leader}`, 'good'),
    ` ${span(nowMs - election.atMs)} ago${gap}: `,
    segment(election.why ?? '?'),
    ` ${glyphs.arrow} ${election.votes ?? '?'}`,
  );
}

function wideFlow(canvas: Canvas, height: number): Line[] {
  const left = Math.ceil(canvas.columns / 2);
  return beside(flow(canvas, left, height), replication(canvas, canvas.columns - left, height));
}

/** How far each log is behind the leader's, as bars of the last thousand entries. */
function replication({ model, glyphs }: Canvas, columns: number, height: number): Line[] {
  const { leader } = model;
  const sent = leader?.status?.snapshots ?? [];
  const group = leader === null ? null : groupOf(leader);
  const nameWidth = Math.max(2, ...model.nodes.map(({ name }) => widthOf(name)));
  const room = Math.max(4, columns - nameWidth - 32);
  const rows = model.nodes.map((node): Line => {
    const progress = group?.progress.find(({ id }) => id === node.nodeId);
    const isLeader = node.name === leader?.name;
    const match = isLeader ? (group?.durableIndex ?? null) : (progress?.matchIndex ?? null);
    if (match === null || group === null) {
      return line(' ', segment(padEnd(node.name, nameWidth)), segment(`  ${glyphs.none}`, 'dim'));
    }
    const behind = Math.max(0, group.lastIndex - match);
    const full = Math.max(0, Math.round(room * (1 - Math.min(1, behind / 1000))));
    const snapshot = progress === undefined ? null : snapshotFor(sent, progress.id);
    const following = snapshot === null ? (progress?.inflightMessages ?? '?') : shareDone(snapshot);
    const state = isLeader ? 'durable' : `${progress?.state ?? '?'} ${following}`;
    return line(
      ' ',
      segment(padEnd(node.name, nameWidth)),
      ' ',
      segment(glyphs.bar.repeat(full), behind > LAG_ENTRIES_MAX ? 'warn' : 'good'),
      segment(glyphs.barEmpty.repeat(room - full), 'dim'),
      ` ${padStart(isLeader ? count(match) : behind === 0 ? '0' : `-${count(behind)}`, 12)} ${state}`,
    );
  });
  const needed = model.health.nodesNeeded;
  const note = `commit: ${needed} of ${model.health.nodes} on disk`;
  return panel({ title: 'Replication', note, rows }, columns, height, glyphs);
}
