import type { Disk, DiskError } from '../../base/ports/disk.ts';
import type { Entry } from '../../base/entry.ts';
import type { Mutations } from '../../base/mutations.ts';
import { attempt } from '../errors.ts';
import { layOut, regionBytes, type Piece } from './layout.ts';
import type { DamagedRun, RunEnd } from './survey.ts';

/** How an attempt to mend ended. */
export type Mending =
  /** So many bytes, in entries and headers that did not verify, were written over and synced. */
  | { readonly kind: 'mended'; readonly bytes: number }
  /** Nothing was written: these are not the entries that stood there, or the run does not end there. */
  | { readonly kind: 'unfit'; readonly why: string };

/**
 * Puts the entries of a damaged run back where they were, byte for byte. Only what does not verify is written over, with
 * bytes that are proven to be those that stood there: so a crash in the middle leaves what it found, or better, and doing it
 * again does no harm. Whoever reads beside it sees what does not verify, or what does.
 * @param entries from `run.firstIndex` to `end.lastIndex`, chained, from `run.previousChecksum` on where that is known.
 */
export function mend(
  disk: Disk,
  run: DamagedRun,
  end: RunEnd,
  entries: readonly Entry[],
  mutations: Mutations,
  done: (error: DiskError | null, mending: Mending) => void,
): void {
  const nothing: Mending = { kind: 'unfit', why: '' };
  attempt(
    (error) => done(error, nothing),
    () => {
      const file = disk.openSync(run.segment.path, 'read');
      const region = new Uint8Array(Math.min(regionBytes(run, end), file.size() - run.position));
      file.read(region, run.position, (error, bytes) => {
        file.closeSync();
        if (error !== null) {
          done(error, nothing);
          return;
        }
        const pieces = layOut(run, end, entries, region.subarray(0, bytes), mutations);
        if (typeof pieces === 'string') done(null, { kind: 'unfit', why: pieces });
        else write(disk, run.segment.path, pieces, done);
      });
    },
  );
}

function write(
  disk: Disk,
  path: string,
  pieces: readonly Piece[],
  done: (error: DiskError | null, mending: Mending) => void,
): void {
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
  const mended: Mending = { kind: 'mended', bytes };
  attempt(
    (error) => done(error, mended),
    () => {
      const file = disk.openSync(path, 'write');
      for (const piece of pieces) file.writevSync([piece.bytes], piece.position);
      file.datasync((error) => {
        file.closeSync();
        done(error, mended);
      });
    },
  );
}
