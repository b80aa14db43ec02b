import fs from 'node:fs';
import path from 'node:path';
import { RealClock } from '../platform/real-clock.ts';
import type { Drill } from './drill.ts';
import { prepareDirectory } from './drill-directory.ts';
import { DrillRun, type DrillProgress } from './drill-run.ts';
import { buildJournal } from './journal-builder.ts';
import { JOURNAL_NAME } from './journal-file.ts';
import type { Journal } from './journal.ts';
import { Stage } from './stage.ts';

export interface RunDrillOptions {
  /** Endpoints of a cluster that is there and allows faults; null: the drill brings its own. */
  readonly target: readonly string[] | null;
  /** Gets journal.json, history.ndjson and, while it runs, the nodes' data. Made if it is not there. */
  readonly directory: string;
  /** What chance is drawn from. Default: the script's, else another one each time. */
  readonly seed?: number;
  /** Called as the drill goes on. */
  readonly onProgress?: (progress: DrillProgress) => void;
  /** Ends the drill early: what is broken is mended, and the verdict is `aborted`. */
  readonly signal?: AbortSignal;
}

const SEED_BOUND = 2 ** 31;

/**
 * Runs a drill to its end: load, steps, everything mended, judged. Nothing that a cluster or a script does makes it throw;
 * it throws where this machine does not let it begin (DrillDirectoryError, no ports). The data of nodes that are the
 * drill's own stays only where the verdict is not `pass`.
 */
export async function runDrill(drill: Drill, options: RunDrillOptions): Promise<Journal> {
  const clock = new RealClock();
  const startedAtMs = clock.unixMs();
  const seed = options.seed ?? drill.seed ?? startedAtMs % SEED_BOUND;
  const directory = path.resolve(options.directory);
  const nodesDirectory = prepareDirectory(directory);
  const abort = new AbortController();
  const onAbort = (): void => abort.abort('it was interrupted');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted === true) onAbort();
  const zeroMs = clock.monotonicMs();
  const { target } = options;
  const stage = await Stage.set(drill, { clock, zeroMs, seed, directory, nodesDirectory, target, abort });
  try {
    const outcome = await new DrillRun(drill, stage, options.onProgress ?? (() => undefined)).run();
    const journal = buildJournal(drill, stage, outcome, { seed, startedAtMs });
    const text = `${JSON.stringify(journal, null, 2)}\n`;
    fs.writeFileSync(path.join(directory, JOURNAL_NAME), text, { mode: 0o600 });
    return journal;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    await stage.clear();
    if (stage.passed) fs.rmSync(nodesDirectory, { recursive: true, force: true });
  }
}
