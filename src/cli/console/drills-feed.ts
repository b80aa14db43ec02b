import fs from 'node:fs';
import path from 'node:path';
import type { DrillProgress } from '../../drill/drill-run.ts';
import type { Journal } from '../../drill/journal.ts';
import { htmlReport } from '../../drill/reports/html.ts';
import { verdictSentence } from '../../drill/reports/words.ts';
import { runDrill } from '../../drill/run-drill.ts';
import { drillNames, freshDrillDirectory, readDrill } from '../drill-library.ts';
import type { DrillRow, DrillView, Drills } from './model.ts';
import { span } from './numbers.ts';

const LINES_MAX = 200;
const REPORT_NAME = 'report.html';

/** The library of drills, and the one that runs: on nodes of its own, in this process, beside what the console shows. */
export class DrillsFeed {
  readonly #onDrills: (drills: Drills) => void;
  #library: readonly DrillRow[] = [];
  #run: DrillView | null = null;
  #abort: AbortController | null = null;

  constructor(onDrills: (drills: Drills) => void) {
    this.#onDrills = onDrills;
  }

  /** Looks what there is. */
  list(): void {
    this.#library = drillNames().map((name) => ({ name, hypothesis: readDrill(name).hypothesis }));
    this.#tell();
  }

  /** @returns what to tell when it is over. */
  async run(name: string): Promise<string> {
    const directory = freshDrillDirectory(name, new Date());
    this.#abort = new AbortController();
    this.#show({ name, lines: [], verdict: null, expectations: [], report: null });
    try {
      const journal = await runDrill(readDrill(name), {
        target: null,
        directory,
        onProgress: (progress) => this.#progress(progress),
        signal: this.#abort.signal,
      });
      const report = path.join(directory, REPORT_NAME);
      fs.writeFileSync(report, htmlReport(journal), { mode: 0o600 });
      this.#show({ ...viewOf(journal), lines: this.#run?.lines ?? [], report });
      return `${name}: ${journal.verdict}; the report is ${report}`;
    } catch (error) {
      const text = `${name} could not be run: ${(error as Error).message}`;
      this.#show({ name, lines: [], verdict: { text, isGood: false }, expectations: [], report: null });
      throw error;
    }
  }

  /** What runs is mended and ended. */
  close(): void {
    this.#abort?.abort();
  }

  #progress({ atMs, step, text, leader, acked }: DrillProgress): void {
    if (this.#run === null) return;
    const what = step === null ? text : `${step}: ${text}`;
    const line = `${span(atMs).padStart(7)}  ${what} (leader ${leader ?? 'none'}, ${acked} acknowledged)`;
    this.#show({ ...this.#run, lines: [...this.#run.lines, line].slice(-LINES_MAX) });
  }

  #show(run: DrillView): void {
    this.#run = run;
    this.#tell();
  }

  #tell(): void {
    this.#onDrills({ library: this.#library, run: this.#run });
  }
}

function viewOf(journal: Journal): Pick<DrillView, 'name' | 'verdict' | 'expectations'> {
  const { drill, verdict, expectations } = journal;
  return {
    name: drill.name,
    verdict: { text: verdictSentence(journal), isGood: verdict === 'pass' },
    expectations: expectations.map(({ id, text, observed, ok }) => ({
      text: `${id}: ${text}: ${observed}`,
      isGood: ok !== drill.mustFail.includes(id),
    })),
  };
}
