import { Prng } from '../../src/base/prng.ts';
import { FIRST_GROUP } from '../../src/base/units.ts';
import { FileDisk } from '../../src/platform/file-disk.ts';
import { RealClock } from '../../src/platform/real-clock.ts';
import { Wal } from '../../src/wal/wal.ts';
import { makeEntries, N1 } from './harness.ts';

/** A log in real files, under the real clock. */
export function openOnDisk(directory: string, onDurable: (number: number) => void): Wal {
  return Wal.open({
    disk: new FileDisk(),
    clock: new RealClock(),
    prng: new Prng(1),
    directory,
    nodeId: N1,
    group: FIRST_GROUP,
    segmentBytes: 1024 * 1024,
    onDurable,
    onFailure: (error) => {
      throw error;
    },
  });
}

/** Writes works of 20 entries until 200 are durable; says each that is. */
export function fill(directory: string, says: (number: number) => void): Promise<Wal> {
  return new Promise((resolve) => {
    const wal = openOnDisk(directory, (number) => {
      says(number);
      if (number < 200) submit(number + 1);
      else resolve(wal);
    });
    const submit = (number: number): void => {
      const entries = makeEntries(wal.lastIndex + 1, 20, wal.lastChecksum, { bodyBytes: 400 });
      wal.submit({ number, hardState: null, truncateFrom: null, entries });
    };
    submit(1);
  });
}
