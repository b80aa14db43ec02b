import type { Journal } from '../journal.ts';
import { showMs } from './words.ts';

/** Two runs side by side: a row for each thing that both can say, the first row is the head. */
export function compareRows(one: Journal, other: Journal): string[][] {
  const both = [one, other];
  const row = (name: string, of: (journal: Journal) => string): string[] => [name, ...both.map(of)];
  const ids = [...new Set(both.flatMap(({ expectations }) => expectations.map(({ id }) => id)))];
  return [
    row('', ({ drill }) => drill.name),
    row('started', ({ startedAtMs }) => new Date(startedAtMs).toISOString()),
    row('seed', ({ seed }) => String(seed)),
    row('verdict', ({ verdict }) => verdict),
    row('acknowledged', ({ counts }) => String(counts.acked)),
    row('unknown', ({ counts }) => String(counts.unknown)),
    row('missing', ({ counts }) => String(counts.missing)),
    row('duplicated', ({ counts }) => String(counts.duplicated)),
    row('gaps', ({ gaps }) => String(gaps.length)),
    row('longest gap', ({ gaps }) => showMs(Math.max(0, ...gaps.map(({ fromMs, toMs }) => toMs - fromMs)))),
    row('terms led', ({ roles }) =>
      String(new Set(roles.filter(({ role }) => role === 'leader').map(({ term }) => term)).size),
    ),
    ...ids.map((id) =>
      row(id, ({ expectations }) => {
        const found = expectations.find((expectation) => expectation.id === id);
        return found === undefined ? '-' : `${found.ok ? 'held' : 'failed'}: ${found.observed}`;
      }),
    ),
  ];
}
