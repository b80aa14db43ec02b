import { crc32 } from '../../src/base/crc32.ts';
import { DiskError } from '../../src/base/ports/disk.ts';
import { Prng } from '../../src/base/prng.ts';
import { SimulatedCrash, type CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { CrashModel, stepByChance, type Crash } from '../../test/wal/crash-model.ts';

const LIVES = 4;
const STEPS = 9;
const EVENTS_MAX = 45;
const REPORT_EVERY = 10_000;

/** What ends a life: mostly a power cut after which any of the sectors that were not synced may be there. */
const ENDS: readonly Crash[] = [
  { kind: 'power', survival: 'some' },
  { kind: 'power', survival: 'some' },
  { kind: 'power', survival: 'some' },
  { kind: 'power', survival: 'some' },
  { kind: 'power', survival: 'none' },
  { kind: 'kill' },
  { kind: 'fault', fault: 'sync' },
  { kind: 'fault', fault: 'write' },
];

export interface CrashCounts {
  readonly crashes: number;
  /** Different contents of the disk. */
  readonly states: number;
  /** Of the crashes, how many came while a log was being opened. */
  readonly duringRecovery: number;
}

/**
 * Ends lives of a log in ever other states of its disk, until there were so many different ones, and opens it from each: what
 * had been reported durable must be there, and nothing may be called rot.
 * @throws Error with the seed of the life that shows otherwise.
 */
export function crashStates(
  states: number,
  seed: number,
  onProgress?: (counts: CrashCounts) => void,
): CrashCounts {
  const seen = new Set<number>();
  let crashes = 0;
  let duringRecovery = 0;
  let told = 0;
  for (let model = 0; seen.size < states; model += 1) {
    try {
      liveAndDie(new Prng(seed + model), (disk, isOpen) => {
        crashes += 1;
        if (!isOpen) duringRecovery += 1;
        seen.add(fingerprint(disk));
      });
    } catch (error) {
      throw new Error(`seed ${seed + model}`, { cause: error });
    }
    if (seen.size - told < REPORT_EVERY) continue;
    told = seen.size;
    onProgress?.({ crashes, states: seen.size, duringRecovery });
  }
  return { crashes, states: seen.size, duringRecovery };
}

/** One disk through several lives, and at last a look at what is left. */
function liveAndDie(prng: Prng, onCrash: (disk: CrashableDisk, isOpen: boolean) => void): void {
  const model = new CrashModel(prng.fork());
  for (let life = 0; life < LIVES; life += 1) {
    const end = ENDS[prng.below(ENDS.length)] ?? { kind: 'kill' };
    model.crashAfter(prng.between(1, EVENTS_MAX), end);
    let isOpen = false;
    try {
      model.open();
      isOpen = true;
      for (let step = 0; step < STEPS; step += 1) stepByChance(model, prng);
      model.die(end);
    } catch (error) {
      // A disk that fails while the log is opened is reported by open itself.
      if (error instanceof DiskError) model.die({ kind: 'kill' });
      else if (!(error instanceof SimulatedCrash)) throw error;
    }
    model.crashNever();
    onCrash(model.disk, isOpen);
  }
  model.open();
}

/** Of all files: 53 bits, so that a million different ones are hardly ever taken for fewer. */
function fingerprint(disk: CrashableDisk): number {
  let low = 0;
  let high = 1;
  for (const path of disk.paths) {
    const bytes = disk.visible(path);
    const name = new TextEncoder().encode(path);
    low = crc32(bytes, crc32(name, low));
    high = crc32(name, crc32(bytes, (high ^ low) >>> 0));
  }
  return (high & 0x1f_ffff) * 2 ** 32 + low;
}

/** The campaign. */
export function countCrashStates(states: number, seed: number): boolean {
  const startMs = performance.now();
  const say = ({ crashes, states: different, duringRecovery }: CrashCounts): void => {
    const seconds = Math.round((performance.now() - startMs) / 1000);
    process.stdout.write(
      `${different} different states of the disk in ${crashes} crashes, ${duringRecovery} of them during recovery; ${seconds} s\n`,
    );
  };
  say(crashStates(states, seed, say));
  process.stdout.write(
    `good: the log was opened from each (seed ${seed}); nothing reported was missing, nothing was called rot\n`,
  );
  return true;
}
