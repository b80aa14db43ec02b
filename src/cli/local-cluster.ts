import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { usageError } from './cli-error.ts';

/** What `dledger up` writes down about the cluster it runs, in its data directory. */
export interface LocalCluster {
  readonly nodes: readonly { readonly id: string; readonly address: string }[];
  /** Of the `up` that runs it; null after it ended in good order. */
  readonly upPid: number | null;
}

const LOCAL_CLUSTER: z.ZodType<LocalCluster> = z.object({
  nodes: z.array(z.object({ id: z.string(), address: z.string() })).min(1),
  upPid: z.number().int().nullable(),
});

const POINTER_DIRECTORY = '.dledger';
const POINTER_NAME = 'last-up.json';

export function clusterFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'cluster.json');
}

/** Where a running `up` takes orders. */
export function controlSocket(dataDirectory: string): string {
  return path.join(dataDirectory, 'up.sock');
}

export function readLocalCluster(dataDirectory: string): LocalCluster | null {
  const file = clusterFile(dataDirectory);
  if (!fs.existsSync(file)) return null;
  const parsed = LOCAL_CLUSTER.safeParse(parseJson(fs.readFileSync(file, 'utf8')));
  if (!parsed.success) {
    throw usageError(
      `${file} is not what \`dledger up\` writes`,
      'give another --data, or move that file away',
    );
  }
  return parsed.data;
}

export function writeLocalCluster(dataDirectory: string, cluster: LocalCluster): void {
  const file = clusterFile(dataDirectory);
  fs.writeFileSync(`${file}.new`, `${JSON.stringify(cluster, null, 2)}\n`);
  fs.renameSync(`${file}.new`, file);
}

/** Remembers for commands from this directory which cluster was started last from it. */
export function rememberLastUp(dataDirectory: string): void {
  const directory = path.resolve(POINTER_DIRECTORY);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  fs.writeFileSync(path.join(directory, POINTER_NAME), `${JSON.stringify({ dataDirectory })}\n`);
}

/** The data directory of the cluster that `up` last started from here; null if there was none. */
export function lastUp(): string | null {
  const file = path.resolve(POINTER_DIRECTORY, POINTER_NAME);
  if (!fs.existsSync(file)) return null;
  const parsed = z.object({ dataDirectory: z.string() }).safeParse(parseJson(fs.readFileSync(file, 'utf8')));
  return parsed.success ? parsed.data.dataDirectory : null;
}

export function defaultDataDirectory(): string {
  return path.resolve(POINTER_DIRECTORY);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
