#!/usr/bin/env node
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Cluster, Command, run } from '../test/e2e/support/cluster.ts';

/**
 * The main job, end to end, with real processes: a text file is appended line by line, the leader is killed with
 * SIGKILL half way, the command goes on by itself, and reading the log gives back exactly the file.
 *
 *     node scripts/prove-failover.ts [FILE]      default: a file of 100,000 lines that it makes
 */
export interface Proof {
  readonly lines: number;
  readonly killed: string;
  readonly killedAtIndex: number;
  readonly leaderAfter: string;
  readonly retries: number;
  readonly identical: boolean;
}

export async function proveFailover(options: {
  file?: string;
  lines?: number;
  say?: (line: string) => void;
}): Promise<Proof> {
  const say = options.say ?? (() => undefined);
  const cluster = await Cluster.start(3);
  try {
    const file = options.file ?? makeFile(cluster.directory, options.lines ?? 100_000);
    const text = fs.readFileSync(file);
    const lines = countLines(text);
    const leader = await cluster.leader();
    say(`${leader} leads; appending ${lines} lines of ${file}`);
    const append = new Command(['append', '-f', file, '-o', 'json', '--endpoints', cluster.endpoints]);
    const half = await cluster.untilStatus((status) => !append.isRunning || lastIndex(status) >= lines / 2);
    const killedAtIndex = lastIndex(half);
    if (!append.isRunning) throw new Error(`the append ended before it was half way: ${append.stderr}`);
    say(`half way (index ${killedAtIndex}): kill -9 ${leader}`);
    await cluster.kill(leader);
    const appended = await append.finished;
    if (appended.code !== 0) throw new Error(`append ended with ${appended.code}: ${appended.stderr}`);
    const result = (JSON.parse(appended.stdout) as { data: { records: number; retries: number } }).data;
    const leaderAfter = await cluster.leader();
    say(
      `append went on by itself: ${result.records} records, ${result.retries} sent again; ${leaderAfter} leads now`,
    );
    const read = await run(['read', '--endpoints', cluster.endpoints]);
    if (read.code !== 0) throw new Error(`read ended with ${read.code}: ${read.stderr}`);
    const identical = sha256(read.stdout) === sha256(text);
    say(
      identical
        ? `read gives back exactly the file: every line once, in order`
        : `read gives back something else`,
    );
    return {
      lines: result.records,
      killed: leader,
      killedAtIndex,
      leaderAfter,
      retries: result.retries,
      identical,
    };
  } finally {
    await cluster.stop();
  }
}

function lastIndex(status: { nodes: readonly { lastIndex: number | null }[] }): number {
  return Math.max(0, ...status.nodes.map((node) => node.lastIndex ?? 0));
}

function makeFile(directory: string, lines: number): string {
  const file = path.join(directory, 'input.txt');
  const text = Array.from(
    { length: lines },
    (_, at) => `line ${at + 1}: ${'the quick brown fox '.repeat(1 + (at % 5))}\n`,
  );
  fs.writeFileSync(file, text.join(''));
  return file;
}

function countLines(text: Uint8Array): number {
  let lines = 0;
  for (const byte of text) if (byte === 10) lines += 1;
  return lines;
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [file] = process.argv.slice(2);
  const proof = await proveFailover({
    ...(file === undefined ? {} : { file }),
    say: (line) => console.log(line),
  });
  process.exitCode = proof.identical ? 0 : 1;
}
