import fs from 'node:fs';
import path from 'node:path';
import { makeDirectory } from '../platform/make-directory.ts';
import { JOURNAL_NAME } from './journal-file.ts';

export const HISTORY_NAME = 'history.ndjson';
const NODES_NAME = 'nodes';

/** A drill cannot leave its results where it was told to. */
export class DrillDirectoryError extends Error {
  override readonly name = 'DrillDirectoryError';
  readonly code = 'DRILL_DIRECTORY';
}

/**
 * Makes a directory ready for a run, and removes the nodes of an earlier one there.
 * @returns where the nodes of this run have their data.
 * @throws DrillDirectoryError where it cannot be made, or where what would be replaced is not of a drill.
 */
export function prepareDirectory(directory: string): string {
  const nodes = path.join(directory, NODES_NAME);
  try {
    makeDirectory(directory);
    const names = fs.readdirSync(directory);
    const other = [NODES_NAME, JOURNAL_NAME].find((name) => names.includes(name));
    // Every run leaves a history.
    if (other !== undefined && !names.includes(HISTORY_NAME))
      throw new DrillDirectoryError(`${path.join(directory, other)} is of no drill, and would be replaced`);
    fs.rmSync(nodes, { recursive: true, force: true });
  } catch (error) {
    if (error instanceof DrillDirectoryError) throw error;
    throw new DrillDirectoryError(`cannot use ${directory}: ${(error as Error).message}`, { cause: error });
  }
  return nodes;
}
