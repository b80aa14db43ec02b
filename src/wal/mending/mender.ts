import type { Entry } from '../../base/entry.ts';
import { mark } from '../../base/marks.ts';
import { NO_MUTATIONS, type Mutations } from '../../base/mutations.ts';
import type { Disk, DiskError } from '../../base/ports/disk.ts';
import type { LogIndex } from '../../base/units.ts';
import { attempt } from '../errors.ts';
import { mend } from './mend.ts';
import type { SegmentOutline } from './segment-outline.ts';
import { SegmentSurvey, type DamagedRun } from './survey.ts';

/** Whoever has the same entries: the other nodes, or what this one still has in memory. */
export interface EntrySource {
  /**
   * Entries `first` to `last`, each chained to the one before and the first to an entry with `previousChecksum`, where that is
   * known; or why nobody has them.
   */
  fetch(
    first: LogIndex,
    last: LogIndex,
    previousChecksum: number | null,
    done: (entries: readonly Entry[] | string) => void,
  ): void;
}

/** What of a segment does not verify. */
export interface Damage {
  readonly file: string;
  readonly position: number;
  /** Null where it cannot be told. */
  readonly firstIndex: LogIndex | null;
  readonly lastIndex: LogIndex | null;
  readonly what: string;
}

export interface MendingReport {
  /** In the order of the file; `bytes` were written over. */
  readonly mended: readonly (Damage & { readonly bytes: number })[];
  /** The first damage that is still there, and why. What is behind it was not looked at. */
  readonly left: (Damage & { readonly why: string }) | null;
}

/** Mends one segment, from its beginning to its end: goes through it, and puts back what does not verify. */
export class SegmentMender {
  readonly #disk: Disk;
  readonly #outline: SegmentOutline;
  readonly #source: EntrySource;
  readonly #mutations: Mutations;
  readonly #mended: (Damage & { readonly bytes: number })[] = [];
  #survey: SegmentSurvey | null = null;
  #isClosed = false;

  constructor(disk: Disk, outline: SegmentOutline, source: EntrySource, mutations: Mutations = NO_MUTATIONS) {
    this.#mutations = mutations;
    this.#disk = disk;
    this.#outline = outline;
    this.#source = source;
  }

  /** Once. A disk that fails ends it: what was mended before is mended. */
  run(done: (error: DiskError | null, report: MendingReport) => void): void {
    attempt(
      (error) => done(error, { mended: [], left: null }),
      () => {
        this.#survey = new SegmentSurvey(this.#disk, this.#outline);
      },
    );
    if (this.#survey === null) return;
    this.#look(this.#survey, (error, left) => {
      this.close();
      done(error, { mended: this.#mended, left });
    });
  }

  /** Nothing is written any more, nor called back. */
  close(): void {
    this.#isClosed = true;
    this.#survey?.close();
    this.#survey = null;
  }

  #look(survey: SegmentSurvey, done: (error: DiskError | null, left: MendingReport['left']) => void): void {
    survey.next((error, finding) => {
      if (this.#isClosed) return;
      if (error !== null || finding.kind === 'sound') {
        done(error, null);
        return;
      }
      if (finding.kind === 'obscure') {
        const { name } = this.#outline.segment;
        const where = { file: name, position: 0, firstIndex: null, lastIndex: null };
        done(null, { ...where, what: finding.what, why: 'nothing vouches for what stood there' });
        return;
      }
      const { run } = finding;
      const before = this.#mended.at(-1);
      if (before !== undefined && before.position >= run.badFrom) {
        done(null, { ...damageOf(run, null), why: 'what was put back does not stay' });
        return;
      }
      this.#mend(run, 0, (failure, why) => {
        if (failure !== null || why !== null)
          done(failure, why === null ? null : { ...damageOf(run, run.ends[0]?.lastIndex ?? null), why });
        else this.#look(survey, done);
      });
    });
  }

  /** Tries one end after the other: a border that looks good may be what a misdirected write brought there. */
  #mend(
    run: DamagedRun,
    at: number,
    done: (error: DiskError | null, why: string | null) => void,
    before = '',
  ): void {
    const end = run.ends[at];
    if (end === undefined) {
      done(null, before);
      return;
    }
    this.#source.fetch(run.firstIndex, end.lastIndex, run.previousChecksum, (entries) => {
      if (this.#isClosed) return;
      if (typeof entries === 'string') {
        done(null, before === '' ? entries : before);
        return;
      }
      mend(this.#disk, run, end, entries, this.#mutations, (error, mending) => {
        if (this.#isClosed) return;
        if (error === null && mending.kind === 'unfit') {
          this.#mend(run, at + 1, done, mending.why);
          return;
        }
        if (error === null && mending.kind === 'mended') {
          mark(run.header === null ? 'wal.block-header-mended' : 'wal.entries-mended');
          this.#mended.push({ ...damageOf(run, end.lastIndex), bytes: mending.bytes });
        }
        done(error, null);
      });
    });
  }
}

function damageOf(run: DamagedRun, lastIndex: LogIndex | null): Damage {
  const { segment, badFrom, badIndex, what } = run;
  return { file: segment.name, position: badFrom, firstIndex: badIndex, lastIndex, what };
}
