import type { CheckResult } from '../check/index.ts';
import { readNodeLog } from './final-log.ts';
import type { JournalCounts } from './journal.ts';
import { compareLogs, readStoredLog } from './log-comparison.ts';
import type { Stage } from './stage.ts';

/** What was found when everything was over. */
export interface Audit {
  readonly counts: JournalCounts;
  readonly check: CheckResult;
  /** Between the nodes' logs, and what could not be read of them. */
  readonly differences: readonly string[];
  /** Some acknowledged records that are not where they should be. */
  readonly missing: readonly string[];
  /** Some records that are there more than once. */
  readonly duplicated: readonly string[];
}

const TOLD_MAX = 5;

/**
 * Reads the log of every node, from that node, and then, with the nodes gone, the files of those that are ours; holds them
 * against each other and against what clients were told.
 * @param commitIndex all nodes had it when the load was over.
 */
export async function audit(stage: Stage, commitIndex: number): Promise<Audit> {
  const { recorder, view, fleet, ids, firstIndex: ours } = stage;
  const differences: string[] = [];
  const missing = new Set<string>();
  const duplicated = new Set<string>();
  let unknownStored = 0;
  for (const id of ids) {
    const stored = new Map<string, number>();
    const firstIndex = Math.max(ours, view.group(id)?.firstIndex ?? 1);
    try {
      const address = stage.addressOf(id);
      recorder.beginLog(id, firstIndex, commitIndex);
      await readNodeLog(address, firstIndex, commitIndex, ({ index, term, values: all }) => {
        const values = all.filter((value) => stage.isOurs(value));
        if (values.length > 0) recorder.entry({ index, term, values });
        for (const value of values) {
          if (stored.has(value)) duplicated.add(value);
          stored.set(value, index);
        }
      });
    } catch (error) {
      differences.push(`the log of ${id} cannot be read: ${(error as Error).message}`);
    }
    for (const [value, index] of recorder.acknowledged) {
      if (index >= firstIndex && stored.get(value) !== index) missing.add(value);
    }
    const unknown = [...stored.keys()].filter((value) => !recorder.acknowledged.has(value)).length;
    unknownStored = Math.max(unknownStored, unknown);
  }
  if (fleet !== null) {
    await fleet.killAll();
    const logs = ids.map((id) => readStoredLog(id, fleet.dataDirectory(id)));
    differences.push(...compareLogs(logs, commitIndex));
  }
  const check = recorder.checker.result();
  return {
    counts: {
      acked: recorder.acknowledged.size,
      unknown: recorder.unknown,
      failed: recorder.failed,
      missing: missing.size,
      duplicated: duplicated.size,
      reordered: (check.broken['producer-order'] ?? 0) + (check.broken['real-time-order'] ?? 0),
      unknownStored,
    },
    check,
    differences,
    missing: tellPlaces([...missing], recorder.acknowledged),
    duplicated: [...duplicated].slice(0, TOLD_MAX),
  };
}

function tellPlaces(values: readonly string[], acknowledged: ReadonlyMap<string, number>): string[] {
  return values
    .slice(0, TOLD_MAX)
    .map((value) => `${value} was acknowledged at index ${acknowledged.get(value) ?? '?'}`);
}
