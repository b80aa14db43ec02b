import type { Journal, JournalCounts } from '../journal.ts';
import { escapeXml as escape } from './junit.ts';
import { compareRows } from './compare.ts';
import { overlaySvg, timelineSvg } from './timeline.ts';
import { showAt, showMs, verdictSentence } from './words.ts';

/** One page that needs nothing else: no network, no script to be read; the journal itself lies in it. */
export function htmlReport(journal: Journal): string {
  const { drill, verdict, reasons, unhealed } = journal;
  return pageOf(`${drill.name}: ${verdict}`, [
    `<header>
<p class="verdict ${verdict}">${escape(verdictSentence(journal))}</p>
<p>${escape(drill.hypothesis)}</p>
${list([...reasons.slice(1), ...unhealed.map((fault) => `not mended, until its time runs out: ${fault}`)])}
</header>`,
    section('What happened', `${timelineSvg(journal)}\n<p class="key">${KEY}</p>`),
    section('What was expected', expectations(journal)),
    section('What was broken', faults(journal)),
    section('What was done', steps(journal)),
    section('Counts', counts(journal)),
    `<section>${events(journal)}</section>`,
    `<footer>
<p>${escape(footer(journal))}</p>
<p><code>${escape(journal.reproduce)}</code></p>
</footer>
<script type="application/json" id="journal">${JSON.stringify(journal).replaceAll('<', '\\u003c')}</script>`,
  ]);
}

/** What clients felt in both runs on one axis, what both came to, and the timeline of each. */
export function comparePage(one: Journal, other: Journal): string {
  const [head = [], ...rows] = compareRows(one, other);
  const key = ['first', 'second'].map((run) => `<span class="swatch ${run}"></span> ${run}`).join(' &nbsp; ');
  return pageOf(`${one.drill.name} and ${other.drill.name}`, [
    section('Both', `${overlaySvg(one, other)}\n<p class="key">${key}</p>${table(head, rows)}`),
    ...[one, other].map((journal) => section(verdictSentence(journal), timelineSvg(journal))),
  ]);
}

function pageOf(title: string, parts: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${parts.join('\n')}
</body>
</html>
`;
}

function section(title: string, body: string): string {
  return `<section><h2>${escape(title)}</h2>${body}</section>`;
}

function counts(journal: Journal): string {
  const names = Object.keys(COUNTED) as (keyof JournalCounts)[];
  return table(
    ['records', 'that were'],
    names.map((name) => [String(journal.counts[name]), COUNTED[name]]),
  );
}

const COUNTED: Readonly<Record<keyof JournalCounts, string>> = {
  acked: 'acknowledged',
  missing: 'acknowledged, and not there at the end',
  duplicated: 'there more often than they were sent',
  reordered: 'there in another order than acknowledged',
  unknown: 'of unknown outcome',
  unknownStored: 'of unknown outcome, and there at the end',
  failed: 'refused',
};

const KEY = ['leader', 'follower', 'candidate', 'down']
  .map((role) => `<span class="swatch ${role}"></span> ${role}`)
  .concat('<span class="swatch fault"></span> broken', '<span class="swatch gap"></span> no acknowledgement')
  .join(' &nbsp; ');

function expectations({ expectations: all, drill }: Journal): string {
  return table(
    ['', 'expectation', 'observed', 'evidence'],
    all.map(({ id, text, observed, ok, severity, evidence }) => {
      const isMeant = drill.mustFail.includes(id);
      const mark = ok !== isMeant ? '✓' : severity === 'warn' ? '!' : '✗';
      return [mark, `${id}: ${text}${isMeant ? ' (must fail)' : ''}`, observed, evidence.join('\n')];
    }),
  );
}

function faults({ faults: all }: Journal): string {
  return table(
    ['fault', 'what', 'from', 'for', 'proof'],
    all.map(({ id, spec, appliedMs, healedMs, proof }) => [
      id,
      spec,
      showAt(appliedMs),
      healedMs === null ? 'to the end' : showMs(healedMs - appliedMs),
      proof?.how ?? 'nothing shows it',
    ]),
  );
}

function steps({ steps: all }: Journal): string {
  return table(
    ['', 'step', 'at', 'took', 'result'],
    all.map(({ name, ok, startMs, endMs, text }) => [
      ok ? '✓' : '✗',
      name,
      showAt(startMs),
      showMs(endMs - startMs),
      text,
    ]),
  );
}

function events({ events: all }: Journal): string {
  const rows = all
    .toSorted((one, other) => one.atMs - other.atMs)
    .map(({ atMs, node, level, code, text }) => [showAt(atMs), node, level, code, text]);
  return `<details><summary>${all.length} events</summary>${table(['at', 'node', 'level', 'code', 'what'], rows)}</details>`;
}

function footer({ startedAtMs, durationMs, seed, host, versions, ownCluster }: Journal): string {
  const nodes = Object.entries(versions).map(([node, version]) => `${node} ${version}`);
  return [
    new Date(startedAtMs).toISOString(),
    `took ${showMs(durationMs)}`,
    `seed ${seed}`,
    ownCluster ? 'a cluster of its own' : 'a cluster that was there',
    nodes.join(', '),
    `${host.platform}, ${host.cpus} CPUs, Node ${host.node}`,
  ].join(' · ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p>none</p>';
  const cells = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${cells('th', head)}</thead><tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table>`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${escape(item)}</li>`).join('')}</ul>`;
}

const STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --back: #ffffff; --soft: #57606a; --line: #d0d7de;
  --leader: #1a7f37; --follower: #54aeff; --candidate: #d4a72c; --down: #57606a; --fault: #cf222e; --gap: #cf222e;
  --offered: #afb8c1; --first: #0969da; --second: #8250df; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --back: #0d1117; --soft: #9198a1; --line: #3d444d;
  --leader: #3fb950; --follower: #1f6feb; --candidate: #d29922; --down: #6e7681; --fault: #f85149; --gap: #f85149;
  --offered: #656c76; --first: #4493f8; --second: #ab7df8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.verdict { font-size: 1.3rem; font-weight: 600; border-left: .4rem solid var(--fault); padding-left: .8rem; }
.verdict.pass { border-color: var(--leader); }
.verdict.inconclusive, .verdict.aborted { border-color: var(--candidate); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); white-space: pre-line; overflow-wrap: anywhere; }
th, footer, .key { color: var(--soft); font-weight: normal; }
svg { width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--text); }
svg .scale, svg .legend { fill: var(--soft); font-size: 11px; }
svg .legend.acked, svg .legend.p50, svg .legend.first { fill: var(--first); }
svg .legend.p99, svg .legend.second { fill: var(--second); }
svg .term { font-size: 10px; fill: var(--back); }
svg .gap-label { fill: var(--gap); font-size: 11px; }
.leader { fill: var(--leader); background: var(--leader); }
.follower, .learner { fill: var(--follower); background: var(--follower); }
.candidate, .preCandidate { fill: var(--candidate); background: var(--candidate); }
.down { fill: var(--down); background: var(--down); opacity: .5; }
.fault { fill: var(--fault); background: var(--fault); }
rect.gap, .swatch.gap { fill: var(--gap); background: var(--gap); opacity: .15; }
.base { stroke: var(--line); }
.line { fill: none; stroke-width: 1.5; stroke: var(--first); }
.line.offered { stroke: var(--offered); }
.line.p99, .line.second { stroke: var(--second); }
.swatch.first { background: var(--first); }
.swatch.second { background: var(--second); }
.swatch { display: inline-block; width: .9rem; height: .7rem; }
@media print { details { display: none; } }
`;
