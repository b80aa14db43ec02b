import type { GroupRow } from '../model.ts';
import { count, span } from '../numbers.ts';
import { panel, table, type Column } from '../panel.ts';
import { line, segment, type Line } from '../text.ts';
import type { Canvas } from './frame.ts';

const TOPICS: readonly Column[] = [
  { head: ' TOPIC', align: 'left', rank: 0 },
  { head: 'QUEUES', align: 'right', rank: 1 },
  { head: 'RECORDS', align: 'right', rank: 0 },
  { head: 'RATE/S', align: 'right', rank: 0 },
];

const GROUPS: readonly Column[] = [
  { head: ' GROUP', align: 'left', rank: 0 },
  { head: 'TOPIC', align: 'left', rank: 1 },
  { head: 'MEMBERS', align: 'right', rank: 2 },
  { head: 'LAG', align: 'right', rank: 0 },
  { head: 'RATE/S', align: 'right', rank: 3 },
  { head: 'TO ZERO', align: 'right', rank: 0 },
];

/** What is in the topics, and how far their consumers are. An unknown lag is no lag of zero. */
export function drawTopics({ model, ui, columns, rows, glyphs }: Canvas): Line[] {
  const { topics } = model;
  if (topics === null || topics.error !== null) {
    const text = topics === null ? ' asking the leader' : ` unknown: ${topics.error ?? ''}`;
    return panel({ title: 'Topics and groups', rows: [line(segment(text, 'dim'))] }, columns, rows, glyphs);
  }
  const groupsHeight = Math.min(topics.groups.length + 3, Math.max(3, Math.floor(rows / 2)));
  const topicsHeight = rows - groupsHeight;
  const topicRows = topics.topics.map((topic): Line[] => [
    line(' ', segment(topic.name)),
    line(count(topic.queues)),
    line(count(topic.records)),
    line(count(topic.perSecond)),
  ]);
  const groupRows = topics.groups.map((group): Line[] => [
    line(' ', segment(group.group)),
    line(segment(group.topic)),
    line(count(group.members)),
    line(segment(count(group.lag, 'n/a'), (group.lag ?? 0) > 100_000 ? 'warn' : 'plain')),
    line(count(group.perSecond)),
    line(segment(toZero(group, glyphs.none), (group.lagPerSecond ?? 0) > 0 ? 'warn' : 'plain')),
  ]);
  return [
    ...panel(
      {
        title: 'Topics',
        note: `${topics.topics.length}`,
        rows: scrolled(
          table(TOPICS, topicRows, columns - 2),
          Math.min(ui.scroll, Math.max(0, topicRows.length - 1)),
        ),
      },
      columns,
      topicsHeight,
      glyphs,
    ),
    ...panel(
      {
        title: 'Consumer groups',
        note: `${topics.groups.length}`,
        rows: table(GROUPS, groupRows, columns - 2),
      },
      columns,
      groupsHeight,
      glyphs,
    ),
  ];
}

/** The head stays. */
function scrolled(rows: readonly Line[], by: number): Line[] {
  return [...rows.slice(0, 1), ...rows.slice(1 + by)];
}

/** By how fast the lag shrinks: what comes meanwhile has to be read too. */
function toZero({ lag, lagPerSecond }: GroupRow, none: string): string {
  if (lag === null) return 'n/a';
  if (lag === 0) return none;
  if (lagPerSecond === null) return '?';
  if (lagPerSecond > 0) return 'grows';
  return lagPerSecond === 0 ? 'stands' : span((lag / -lagPerSecond) * 1000);
}
