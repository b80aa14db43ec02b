import type { Journal } from '../journal.ts';
import { escapeXml } from './junit.ts';
import { showAt, showMs } from './words.ts';

// One picture on one axis of time: who was what, what was broken, what clients felt. Plain SVG, coloured by classes, so
// that the page decides what light and dark look like.

const WIDTH = 1000;
const LEFT = 90;
const RIGHT = 15;
const LANE = 26;
const CHART = 90;
const SPACE = 26;

interface Scale {
  readonly x: (atMs: number) => number;
  readonly endMs: number;
}

export function timelineSvg(journal: Journal): string {
  const scale = scaleOf([journal]);
  const lanesTop = SPACE;
  const ackedTop = lanesTop + journal.nodes.length * LANE + SPACE;
  const latencyTop = ackedTop + CHART + SPACE;
  const bottom = latencyTop + CHART;
  return picture('what happened over time', bottom, [
    ...journal.nodes.map((node, at) => lane(journal, node, lanesTop + at * LANE, scale)),
    ...journal.gaps.map((gap) => gapBand(gap, lanesTop, bottom, scale)),
    chart('records/s', ackedTop, scale, [
      { name: 'offered', points: ratesOf(journal, 'offered') },
      { name: 'acked', points: ratesOf(journal, 'acked') },
    ]),
    chart('latency ms', latencyTop, scale, [
      { name: 'p99', points: pointsOf(journal, 'p99Ms') },
      { name: 'p50', points: pointsOf(journal, 'p50Ms') },
    ]),
    axis(bottom, scale),
  ]);
}

/** What clients felt in two runs, from the beginning of each. */
export function overlaySvg(one: Journal, other: Journal): string {
  const scale = scaleOf([one, other]);
  const latencyTop = SPACE + CHART + SPACE;
  const bottom = latencyTop + CHART;
  return picture('both runs', bottom, [
    chart('acked/s', SPACE, scale, [
      { name: 'second', points: ratesOf(other, 'acked') },
      { name: 'first', points: ratesOf(one, 'acked') },
    ]),
    chart('p99 ms', latencyTop, scale, [
      { name: 'second', points: pointsOf(other, 'p99Ms') },
      { name: 'first', points: pointsOf(one, 'p99Ms') },
    ]),
    axis(bottom, scale),
  ]);
}

function scaleOf(journals: readonly Journal[]): Scale {
  const ends = journals.flatMap(({ series }) => series.map(({ atMs, intervalMs }) => atMs + intervalMs));
  const endMs = Math.max(1, ...ends);
  return { endMs, x: (atMs) => LEFT + (Math.min(atMs, endMs) / endMs) * (WIDTH - LEFT - RIGHT) };
}

function picture(label: string, bottom: number, parts: readonly string[]): string {
  const size = `viewBox="0 0 ${WIDTH} ${bottom + 30}"`;
  return [`<svg ${size} role="img" aria-label="${label}">`, ...parts, '</svg>'].join('\n');
}

function ratesOf({ series }: Journal, field: 'offered' | 'acked'): Line['points'] {
  return series.map(({ atMs, intervalMs, [field]: count }) => ({ atMs, value: (count * 1000) / intervalMs }));
}

/** A node: its roles one behind the other, and what was broken at it as a band below. */
function lane({ roles, faults }: Journal, node: string, top: number, { x, endMs }: Scale): string {
  const own = roles.filter((change) => change.node === node);
  const bars = own.map(({ atMs, role, term }, at) => {
    const toMs = own[at + 1]?.atMs ?? endMs;
    const title = `${node}: ${role} in term ${term}, ${showAt(atMs)} to ${showAt(toMs)}`;
    return rect(`role ${role}`, x(atMs), top + 2, x(toMs) - x(atMs), 14, title);
  });
  const bands = faults
    .filter((fault) => fault.node === node)
    .map(({ id, spec, appliedMs, healedMs }) => {
      const toMs = healedMs ?? endMs;
      const title = `${id} ${spec}, ${showAt(appliedMs)} to ${showAt(toMs)}`;
      return rect('fault', x(appliedMs), top + 17, Math.max(2, x(toMs) - x(appliedMs)), 5, title);
    });
  const terms = own
    .filter(({ role }) => role === 'leader')
    .map(({ atMs, term }) => text('term', x(atMs) + 3, top + 13, `term ${term}`));
  return [text('name', LEFT - 8, top + 14, node, 'end'), ...bars, ...bands, ...terms].join('\n');
}

function gapBand(
  { fromMs, toMs, label }: Journal['gaps'][number],
  top: number,
  bottom: number,
  { x }: Scale,
): string {
  const title = `${showMs(toMs - fromMs)} without an acknowledgement: ${label}`;
  const width = Math.max(1, x(toMs) - x(fromMs));
  return [
    rect('gap', x(fromMs), top, width, bottom - top, title),
    text('gap-label', x(fromMs) + width / 2, top - 6, showMs(toMs - fromMs), 'middle'),
  ].join('\n');
}

interface Line {
  readonly name: string;
  readonly points: readonly { readonly atMs: number; readonly value: number }[];
}

function chart(title: string, top: number, { x }: Scale, lines: readonly Line[]): string {
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(({ value }) => value)));
  const y = (value: number): number => top + CHART - (value / most) * (CHART - 12);
  const base = `<line class="base" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${top + CHART}" y2="${top + CHART}"/>`;
  const drawn = lines.map(({ name, points }) => {
    const path = points.map(({ atMs, value }) => `${x(atMs).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    return `<polyline class="line ${name}" points="${path}"><title>${escapeXml(name)}</title></polyline>`;
  });
  return [
    base,
    text('name', LEFT - 8, top + CHART / 2, title, 'end'),
    text('scale', LEFT - 8, top + 14, String(Math.round(most)), 'end'),
    ...drawn,
    ...lines.map(({ name }, at) => text(`legend ${name}`, WIDTH - RIGHT - at * 60, top + 2, name, 'end')),
  ].join('\n');
}

function axis(bottom: number, { x, endMs }: Scale): string {
  const seconds = Math.ceil(endMs / 1000);
  const step = Math.max(1, Math.ceil(seconds / 12));
  const marks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => at * step);
  return marks
    .filter((second) => second * 1000 <= endMs)
    .map((second) => text('scale', x(second * 1000), bottom + 18, `${second} s`, 'middle'))
    .join('\n');
}

function pointsOf({ series }: Journal, field: 'p50Ms' | 'p99Ms'): Line['points'] {
  return series.flatMap(({ atMs, [field]: value }) => (value === null ? [] : [{ atMs, value }]));
}

function rect(kind: string, left: number, top: number, width: number, height: number, title: string): string {
  const at = `x="${left.toFixed(1)}" y="${top.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="${height.toFixed(1)}"`;
  return `<rect class="${kind}" ${at}><title>${escapeXml(title)}</title></rect>`;
}

function text(
  kind: string,
  x: number,
  y: number,
  what: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
): string {
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeXml(what)}</text>`;
}
