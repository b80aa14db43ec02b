import { SimulatedCrash, type CrashableDisk } from '../../src/sim/crashable-disk.ts';

/**
 * Runs work on a disk that was told to die by way of its `onOperation`, and takes that away again.
 * @returns whether it died in the course of the work. @throws whatever else the work throws.
 */
export function diesIn(disk: CrashableDisk, work: () => void): boolean {
  try {
    work();
    return false;
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error;
    return true;
  } finally {
    disk.onOperation = null;
  }
}
