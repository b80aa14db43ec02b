import { Prng } from '../../src/base/prng.ts';
import type { FinalLog, HistoryEvent } from '../../src/check/index.ts';

interface InFlight {
  readonly operation: number;
  readonly values: string[];
  index: number;
}

const PRODUCERS = 8;
const NODES = ['n1', 'n2', 'n3'];
/** Records that a read goes back from the end of the log. */
const TAIL = 20;

/**
 * A long history that keeps all promises, as a busy cluster shows it: eight producers with batches in flight, one
 * operation in five a read of the end of the log, an answer in a thousand lost. Tells each event as it happens.
 * @returns the logs that it ends in.
 */
export function tellLongStory(
  operations: number,
  seed: number,
  tell: (event: HistoryEvent) => void,
): FinalLog[] {
  const prng = new Prng(seed);
  const entries: { index: number; term: number; values: string[] }[] = [];
  const waiting: InFlight[] = [];
  const stored: InFlight[] = [];
  const sequences = Array.from({ length: PRODUCERS }, () => 0);
  let operation = 0;
  let index = 1;
  tell({ type: 'leader', node: 'n1', term: 1 });
  while (operation < operations || waiting.length > 0 || stored.length > 0) {
    const isOver = operation >= operations;
    if (!isOver && waiting.length + stored.length < 64) {
      operation += 1;
      if (prng.chance(0.2)) {
        read(prng, entries, operation, tell);
        continue;
      }
      const producer = prng.below(PRODUCERS);
      const sequence = (sequences[producer] ?? 0) + 1;
      sequences[producer] = sequence;
      const values = [`p${producer}#${sequence}.0/${prng.uint32().toString(16)}`];
      tell({ type: 'append-invoked', operation, producer: `p${producer}`, sequence, values });
      waiting.push({ operation, values, index: 0 });
      if (prng.chance(0.5)) continue;
    }
    const next = prng.chance(0.5) ? waiting.shift() : undefined;
    if (next !== undefined) {
      index += 1;
      next.index = index;
      entries.push({ index, term: 1, values: next.values });
      stored.push(next);
      continue;
    }
    const done = stored.splice(prng.below(Math.max(1, Math.min(8, stored.length))), 1)[0];
    if (done === undefined) continue;
    if (prng.chance(0.001)) tell({ type: 'append-unknown', operation: done.operation });
    else tell({ type: 'append-ok', operation: done.operation, index: done.index, term: 1 });
  }
  return NODES.map((node) => ({ node, firstIndex: 1, commitIndex: index, entries }));
}

function read(
  prng: Prng,
  entries: readonly { index: number; values: string[] }[],
  operation: number,
  tell: (event: HistoryEvent) => void,
): void {
  const from = Math.max(1, (entries.at(-1)?.index ?? 1) - prng.below(TAIL));
  const consistency = prng.chance(0.5) ? 'linearizable' : 'committed';
  tell({ type: 'read-invoked', operation, reader: `r${operation % 4}`, from, consistency });
  const first = Math.max(0, entries.length - TAIL - 1);
  const records = entries
    .slice(first)
    .filter((entry) => entry.index >= from)
    .map(({ index, values: [value = ''] }) => ({ index, ordinal: 0, value }));
  if (records.length > 0) tell({ type: 'read-page', operation, records });
  tell({ type: 'read-ok', operation });
}
