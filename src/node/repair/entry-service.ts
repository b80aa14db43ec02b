import type { Entry } from '../../base/entry.ts';
import type { LogIndex } from '../../base/units.ts';
import type { RaftCore } from '../../raft/index.ts';
import { errorInfo, type ErrorInfo } from '../../wire/errors.ts';
import type { GetEntries } from '../../wire/log-codec.ts';
import { readFailure } from '../failures.ts';
import type { LogAccess } from '../log-access.ts';

/**
 * Hands out the log as it is, as far as it is durable here, committed or not: whoever mends with it holds it against the checksums
 * of its own log. `done` gets consecutive entries from `first`, at least one.
 */
export function handOut(
  { first, last, bytesMax }: GetEntries,
  log: LogAccess,
  core: RaftCore,
  done: (result: readonly Entry[] | ErrorInfo) => void,
): void {
  const lastIndex = core.durableIndex;
  const { firstIndex } = log;
  if (first < firstIndex || first > lastIndex) {
    const text = `the log holds ${firstIndex} to ${lastIndex} here, not ${first}`;
    done(errorInfo('OUT_OF_RANGE', text, { firstIndex, lastIndex }));
    return;
  }
  log.read(first, Math.min(last, lastIndex) as LogIndex, bytesMax, (error, entries) => {
    done(error === null ? entries : readFailure(`the log at ${first}`, error));
  });
}
