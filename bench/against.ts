import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spread } from './histogram.ts';
import { fixed } from './report.ts';

/** What of `-o json` is compared. */
interface Report {
  readonly data: {
    readonly scenarios: readonly {
      readonly ackedPerSecond: { readonly median: number };
      readonly latencyMs: { readonly p50: number | null };
      /** Of all nodes together, and of the client. */
      readonly cpuCores: number;
      readonly clientCores: number;
    }[];
  };
}

export interface Comparison {
  readonly scenario: string;
  /** This tree over the other one, of each pair of runs. */
  readonly rates: readonly number[];
  readonly latencies: readonly number[];
  /** Processor time that nodes and client spend on a record: what else the machine does moves it least. */
  readonly costs: readonly number[];
}

const ROOT = path.resolve(import.meta.dirname, '..');

/**
 * Runs the same scenarios with this tree and with another one of its history, in turns, so that whatever else the machine
 * does meets both. Each tree runs its own client and its own nodes.
 */
export function runAgainst(
  reference: string,
  scenarios: readonly string[],
  options: { readonly durationSeconds: number; readonly repeats: number; readonly size: number },
  progress: (text: string) => void,
): Comparison[] {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-against-'));
  const tree = path.join(directory, 'tree');
  try {
    git('worktree', 'add', '--detach', tree, reference);
    progress(`building ${reference}`);
    fs.symlinkSync(fs.realpathSync(path.join(ROOT, 'node_modules')), path.join(tree, 'node_modules'));
    run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', '.'], tree);
    return scenarios.map((scenario) => {
      const args = ['--scenario', scenario, '--duration', String(options.durationSeconds), '--repeat', '1'];
      const measure = (root: string): Report['data']['scenarios'][number] => {
        const text = run(
          process.execPath,
          ['bench/main.ts', ...args, '--size', String(options.size), '-o', 'json'],
          root,
        );
        const found = (JSON.parse(text) as Report).data.scenarios[0];
        if (found === undefined) throw new Error(`${root} measured nothing for ${scenario}`);
        return found;
      };
      const rates: number[] = [];
      const latencies: number[] = [];
      const costs: number[] = [];
      for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
        progress(`${scenario} against ${reference}, ${repeat}/${options.repeats}`);
        // Whoever comes second finds the caches warm: they take turns in that too.
        const [first, second] = repeat % 2 === 1 ? [tree, ROOT] : [ROOT, tree];
        const results = new Map([
          [first, measure(first)],
          [second, measure(second)],
        ]);
        const [own, other] = [results.get(ROOT), results.get(tree)];
        rates.push((own?.ackedPerSecond.median ?? Number.NaN) / (other?.ackedPerSecond.median ?? Number.NaN));
        latencies.push((own?.latencyMs.p50 ?? Number.NaN) / (other?.latencyMs.p50 ?? Number.NaN));
        costs.push(costOf(own) / costOf(other));
      }
      return { scenario, rates, latencies, costs };
    });
  } finally {
    git('worktree', 'remove', '--force', tree);
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function costOf(measured: Report['data']['scenarios'][number] | undefined): number {
  if (measured === undefined) return Number.NaN;
  return (measured.cpuCores + measured.clientCores) / measured.ackedPerSecond.median;
}

export function showComparison({ scenario, rates, latencies, costs }: Comparison): string {
  const rate = spread(rates);
  const latency = spread(latencies);
  const cost = spread(costs);
  return `${scenario.padEnd(13)} records/s x ${fixed(rate.median)} (${fixed(rate.min)} - ${fixed(rate.max)}), p50 x ${fixed(latency.median)}, processor time a record x ${fixed(cost.median)} (${fixed(cost.min)} - ${fixed(cost.max)})`;
}

function git(...args: string[]): void {
  run('git', args, ROOT);
}

function run(program: string, args: readonly string[], directory: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} in ${directory}: ${stderr || stdout}`);
  return stdout;
}
