import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { makeDirectory } from '../platform/make-directory.ts';
import { usageError } from './cli-error.ts';
import { parseJson } from './json.ts';

/** What `dledger up` writes down about the cluster it runs, in its directory. */
export interface LocalCluster {
  readonly nodes: readonly { readonly id: string; readonly address: string }[];
  /** The socket on which the running `up` takes orders; null after it ended in good order. */
  readonly control: string | null;
}

const LOCAL_CLUSTER = z.object({
  nodes: z.array(z.object({ id: z.string(), address: z.string() })).min(1),
  control: z.string().nullable().default(null),
});

const HOME = '.dledger';
const POINTER_NAME = 'last-up.json';
const CLUSTER_NAME = 'cluster.json';
/** Beside a cluster: what its owner drilled. */
export const DRILLS_NAME = 'drills';
const POINTER = z.object({ directory: z.string() });

/** Where `up` puts a cluster if nothing else is said. */
export function defaultDirectory(): string {
  return path.resolve(HOME);
}

/** Private to a running `up`: its lock and its socket. */
export function privateDirectory(directory: string): string {
  return path.join(directory, 'up');
}

/** @returns null if no cluster was made there. @throws CliError if something else lies there. */
export function readLocalCluster(directory: string): LocalCluster | null {
  const file = path.join(directory, CLUSTER_NAME);
  if (!fs.existsSync(file)) return null;
  const parsed = LOCAL_CLUSTER.safeParse(parseJson(fs.readFileSync(file, 'utf8')));
  if (parsed.success) return parsed.data;
  throw usageError(
    `${file} is not what \`dledger up\` writes`,
    'give another --data, or move that file away',
  );
}

/** Whether a new cluster may be made there: nothing is, but for what `up` itself leaves before there is a cluster. */
export function isVacant(directory: string): boolean {
  const own = [POINTER_NAME, DRILLS_NAME, path.basename(privateDirectory(directory)), `${CLUSTER_NAME}.new`];
  return fs.readdirSync(directory).every((name) => own.includes(name));
}

export function writeLocalCluster(directory: string, cluster: LocalCluster): void {
  replaceFile(path.join(directory, CLUSTER_NAME), cluster);
}

/** Remembers for commands from this directory which cluster was started last from it. */
export function rememberLastUp(directory: string): void {
  makeDirectory(HOME);
  // Relative where it lies below, so that the whole may be moved.
  const relative = path.relative('.', directory);
  const isBelow = relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
  replaceFile(path.join(HOME, POINTER_NAME), { directory: isBelow ? relative : directory });
}

/** The directory of the cluster that `up` last started from here; null if there was none. */
export function lastUp(): string | null {
  const file = path.join(HOME, POINTER_NAME);
  if (!fs.existsSync(file)) return null;
  const parsed = POINTER.safeParse(parseJson(fs.readFileSync(file, 'utf8')));
  return parsed.success ? path.resolve(parsed.data.directory) : null;
}

/** Whole or not at all, also if the power goes. */
function replaceFile(file: string, value: unknown): void {
  const draft = `${file}.new`;
  fs.writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { flush: true });
  fs.renameSync(draft, file);
}
