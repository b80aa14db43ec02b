import { assert } from '../base/assert.ts';
import { LatencyHistogram, RecentLatencies, type LatencySummary } from '../base/latency-histogram.ts';
import type { Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import { DiskError, isLackOfRoom, type DirectoryLock, type Disk } from '../base/ports/disk.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { claimDirectory } from './data-directory.ts';
import { DirectoryRefusedError, diskErrorOf, WalReadError } from './errors.ts';
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from './format.ts';
import { openHardState, type HardState, type HardStateFile } from './hard-state.ts';
import { replaceIdentity, type Identity } from './identity.ts';
import type { IncomingSnapshot } from './incoming-snapshot.ts';
import type { LogMap, TermRun } from './log-map.ts';
import { LogReader, type ReadRequest, type ReadResult } from './log-reader.ts';
import { installSnapshot } from './install.ts';
import { LogWriter } from './log-writer.ts';
import { outlineOf, type SegmentOutline } from './mending/segment-outline.ts';
import { recoverLog, watermarkOf, type RecoveredLog } from './recovery.ts';
import { RoomWait, type WaitingBlock } from './room-wait.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Segment } from './segment.ts';
import { SyncPace } from './sync-pace.ts';
import type { WalOptions, WalStats } from './wal-options.ts';
import { WatermarkFile, type Watermark } from './watermark.ts';
import { blockEnd, bytesOf, Gathering, type Batch, type WalWork } from './work.ts';

/** How often an advancing log is looked at, and how long at most it goes without a watermark (the format promises 100 ms). */
const WATERMARK_TICK_MS = 25;
const WATERMARK_AGE_MS = 75;

/**
 * The durable log of one node: entries, hard state, and the proof of what was durable. Opened synchronously; from then
 * on `submit` hands in work and `onDurable` reports it. See DESIGN.md beside this file, and docs/wal-format.md.
 *
 * One chain: hard state, blocks, segment changes and watermarks are written one after the other, each synced before the
 * next is written. What is submitted meanwhile gathers and goes in one write.
 *
 * On a full disk the log waits, with the block that found no room, and tries again: a write that was refused may be
 * repeated, unlike a sync. Term and vote are written over what is there and pass by what waits, so that a node with a full
 * disk still votes.
 */
export class Wal {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #mutations: Mutations;
  readonly #onDurable: (number: number) => void;
  readonly #onHardStateDurable: (number: number) => void;
  readonly #onRoom: (hasRoom: boolean) => void;
  readonly #onFailure: (error: Error) => void;
  readonly #lock: DirectoryLock;
  readonly #hardStateFile: HardStateFile;
  readonly #watermarkFile: WatermarkFile;
  readonly #map: LogMap;
  readonly #files: SegmentFiles;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #gathering: Gathering;
  readonly #syncTimes = new LatencyHistogram();
  readonly #recentSyncTimes = new RecentLatencies();
  readonly #syncPace = new SyncPace();
  readonly #tornBytesAtOpen: number;
  /** Of the last entry before the log, if this opening made it begin anew behind a snapshot. */
  readonly installedIndex: LogIndex | null;
  #identity: Identity;
  /** The chain is at work; whatever comes, waits. */
  #isBusy = false;
  #state: 'open' | 'failed' | 'closed' = 'open';
  #closing: ((hasFailed: boolean) => void) | null = null;
  #durableIndex: LogIndex;
  #commitHint: LogIndex;
  readonly #room: RoomWait;
  /** What the last watermark says, and since when the log is ahead of it. */
  #proven: Watermark;
  #unprovenSinceMs = 0;
  #isWatermarkDue = false;
  #watermarkTimer: TimerHandle | null = null;
  /** No part of the log any more; their files are still to be removed, the oldest first. */
  readonly #trimmed: Segment[] = [];
  #isRemoving = false;
  #blocksAtTick = 0;
  #blocks = 0;
  #entries = 0;
  #bytesWritten = 0;
  #watermarks = 0;
  #hardStates = 0;

  private constructor(
    options: WalOptions,
    parts: {
      readonly lock: DirectoryLock;
      readonly identity: Identity;
      readonly hardStateFile: HardStateFile;
      readonly log: RecoveredLog;
      readonly installedIndex: LogIndex | null;
    },
  ) {
    const { log, identity } = parts;
    const { disk, directory, prng } = options;
    this.#disk = disk;
    this.#clock = options.clock;
    this.#room = new RoomWait(options.clock, () => this.#advance());
    this.#directory = directory;
    this.#mutations = options.mutations ?? NO_MUTATIONS;
    this.#onDurable = options.onDurable;
    this.#onHardStateDurable = options.onHardStateDurable ?? (() => undefined);
    this.#onRoom = options.onRoom ?? (() => undefined);
    this.#onFailure = options.onFailure;
    this.#lock = parts.lock;
    this.#identity = identity;
    this.#hardStateFile = parts.hardStateFile;
    this.#watermarkFile = log.watermarkFile;
    this.#map = log.map;
    this.#files = log.files;
    this.#reader = new LogReader(log.map, log.files, this.#mutations);
    this.#gathering = new Gathering(log.map.lastIndex);
    this.#durableIndex = log.map.lastIndex;
    this.#commitHint = log.watermark.commitHint;
    this.#proven = log.watermark;
    this.#tornBytesAtOpen = log.tornBytes;
    this.installedIndex = parts.installedIndex;
    const { active, segments, map } = log;
    const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
    this.#writer = new LogWriter({
      disk,
      directory,
      identity,
      prng,
      segmentBytes,
      map,
      reader: this.#reader,
      active,
      segments,
      mutations: this.#mutations,
    });
  }

  /**
   * Opens the log of a directory, or makes one. Everything it then shows is durable.
   * @throws DiskError ELOCKED if another process has it; DirectoryRefusedError if it is not this node's; WalRotError if
   * something that had been durable no longer verifies. In all three cases nothing was changed.
   */
  static open(options: WalOptions): Wal {
    const { disk, directory, nodeId, group, prng, mutations = NO_MUTATIONS } = options;
    const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
    assert(
      segmentBytes >= SEGMENT_BYTES_MIN,
      () => `segments of ${segmentBytes} bytes, at least ${SEGMENT_BYTES_MIN}`,
    );
    disk.mkdirSync(directory);
    const lock = disk.lockDirectorySync(directory);
    try {
      const expected = { nodeId, group, clusterId: options.clusterId ?? null };
      const identity = claimDirectory(disk, directory, expected, { prng, segmentBytes });
      const installedIndex = installSnapshot(disk, directory, identity, { prng, segmentBytes });
      const log = recoverLog(disk, directory, identity, mutations);
      const hardStateFile = openHardState(disk, directory, identity, log.map.lastTerm);
      return new Wal(options, { lock, identity, hardStateFile, log, installedIndex });
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  // --- what it holds ------------------------------------------------------------------------------------------------

  get identity(): Identity {
    return this.#identity;
  }

  /** The newest one submitted. */
  get hardState(): HardState {
    return this.#hardStateFile.value;
  }

  /** False if a vote may have been forgotten: this node must not vote or campaign, after a restart neither. */
  get hardStateTrusted(): boolean {
    return this.#hardStateFile.isTrusted;
  }

  /** lastIndex + 1 while the log is empty. */
  get firstIndex(): LogIndex {
    return this.#map.firstIndex;
  }

  /** Of what was written, durable or about to be; at open it is all durable. */
  get lastIndex(): LogIndex {
    return this.#map.lastIndex;
  }

  get lastTerm(): Term {
    return this.#map.lastTerm;
  }

  get lastChecksum(): number {
    return this.#map.lastChecksum;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** An index that was known to be committed when the last watermark was written; 0 if nothing is known. */
  get commitHint(): LogIndex {
    return this.#commitHint;
  }

  /** Ascending; covers firstIndex - 1 (unless that is 0) to lastIndex. */
  termRuns(): readonly TermRun[] {
    return [...this.#map.termRuns];
  }

  /** The term of an entry, or of the one before the first (0 for index 0). Null outside of that. */
  termAt(index: LogIndex): Term | null {
    return this.#map.termAt(index);
  }

  /** The header checksum of an entry, or of the one before the first. Reads up to 64 KiB at once. */
  checksumAt(index: LogIndex): number {
    return this.#reader.checksumAt(index);
  }

  /** The configuration entries above an index, ascending. Reads them at once. */
  configurationEntries(after: LogIndex): Entry[] {
    return this.#map.configurations
      .filter((index) => index > after)
      .flatMap((first) => this.#reader.readSync({ first, entriesMax: 1, bytesMax: 0 }).entries);
  }

  /**
   * The newest entries, as many as have no more than `bytesMax` bytes together, and the newest of all in any case: a leader
   * needs its time, below which it stamps nothing. Reads them at once.
   */
  tail(bytesMax: number): Entry[] {
    return this.#reader.tailSync(bytesMax);
  }

  /**
   * Reads entries, verified, at least one. `previousChecksum` is the header checksum of the one before. Errors:
   * WalReadError (`WAL_RANGE`, `WAL_TRUNCATED`, `WAL_CLOSED`), WalRotError, DiskError. `done` may be called at once.
   */
  read(
    first: LogIndex,
    entriesMax: number,
    bytesMax: number,
    done: (error: Error | null, entries: Entry[], previousChecksum: number) => void,
  ): void {
    if (this.#state !== 'open') {
      done(new WalReadError('WAL_CLOSED', 'the log is closed'), [], 0);
      return;
    }
    this.#reader.read({ first, entriesMax, bytesMax }, (error, { entries, previousChecksum }) => {
      done(error, entries, previousChecksum);
    });
  }

  /** The same at once: for start-up and tools. @throws the same errors. */
  readSync(request: ReadRequest): ReadResult {
    return this.#reader.readSync(request);
  }

  stats(): WalStats {
    return {
      segments: this.#writer.segments.length,
      segmentBytes: this.#writer.bytes,
      syncs: this.#syncTimes.summary.count,
      syncMs: this.#syncTimes.summary,
      blocks: this.#blocks,
      entries: this.#entries,
      bytesWritten: this.#bytesWritten,
      watermarks: this.#watermarks,
      hardStates: this.#hardStates,
      epoch: this.#map.epoch,
      tornBytesAtOpen: this.#tornBytesAtOpen,
    };
  }

  /** Segments that are over, the oldest first. */
  sealedSegments(): { readonly lastIndex: LogIndex; readonly bytes: number }[] {
    const { segments } = this.#writer;
    return segments.slice(0, -1).map(({ bytes }, at) => ({
      lastIndex: ((segments[at + 1]?.header.firstIndex ?? 1) - 1) as LogIndex,
      bytes,
    }));
  }

  /** What is known of a segment, by the name of its file, that is to be mended. Null if it is no part of the log any more. */
  outline(name: string): SegmentOutline | null {
    return outlineOf(name, this.#writer.segments, this.#map, this.#reader);
  }

  /** How long syncs of the log take lately. See `SyncPace`. */
  syncPaceMs(): number {
    return this.#syncPace.paceMs(this.#clock.monotonicMs());
  }

  /** The syncs of the last ten to twenty seconds. */
  recentSyncs(): LatencySummary {
    return this.#recentSyncTimes.summary(this.#clock.monotonicMs());
  }

  // --- what it is told ----------------------------------------------------------------------------------------------

  /**
   * Makes work durable and reports it by `onDurable`. When the chain is idle the write happens inside this call. After
   * a failure nothing is taken any more.
   */
  submit(work: WalWork): void {
    if (this.#state === 'failed') return;
    assert(this.#state === 'open' && this.#closing === null, () => `work ${work.number} for a closed log`);
    this.#gathering.add(work);
    this.#advance();
  }

  /** An index that is known to be committed. It goes with the next watermark, so that a start need not find it out. */
  noteCommit(index: LogIndex): void {
    if (index > this.#commitHint) this.#commitHint = index;
  }

  /**
   * Lets go of whole segments from the beginning, of which nothing lies above `index`; the newest one always stays. What they
   * held must be in a durable checkpoint. Reads of it fail from now on with `WAL_RANGE`, those under way too.
   * @returns the first index that is left; the files go soon afterwards.
   */
  trimTo(index: LogIndex): LogIndex {
    assert(index <= this.#durableIndex, () => `trimming to ${index}, durable is ${this.#durableIndex}`);
    const { segments } = this.#writer;
    // A watermark must have seen the segment: without it the loss of what follows would go unnoticed.
    const found = segments.findLast(
      (segment) =>
        segment.header.firstIndex - 1 <= index &&
        segment.header.sequence <= this.#proven.segment &&
        this.#map.canBeginWith(segment),
    );
    if (found === undefined || found === segments[0] || this.#state !== 'open') return this.#map.firstIndex;
    mark('wal.trimmed');
    this.#map.beginWith(found);
    const trimmed = this.#writer.beginWith(found);
    for (const segment of trimmed) this.#files.forget(segment);
    this.#trimmed.push(...trimmed);
    // First the watermark says that they are no part of the log any more: half removed they would look like rot.
    this.#isWatermarkDue = true;
    if (this.#closing === null) this.#clock.defer(() => this.#advance());
    return this.#map.firstIndex;
  }

  /** Records which cluster this directory belongs to, at once and durably. @throws DirectoryRefusedError, DiskError */
  setClusterId(clusterId: string): void {
    const known = this.#identity.clusterId;
    if (known === clusterId) return;
    if (known !== null) {
      throw new DirectoryRefusedError(
        'DIRECTORY_CLUSTER',
        `${this.#directory} belongs to cluster ${known}, the log says ${clusterId}: one of them is another cluster's`,
        { expected: known, found: clusterId },
      );
    }
    const identity = { ...this.#identity, clusterId };
    replaceIdentity(this.#disk, this.#directory, identity);
    this.#identity = identity;
  }

  /**
   * Makes durable what was submitted, writes a last watermark, lets go of the directory, then calls back. What waits for
   * room is given up: nobody was promised anything.
   */
  close(done: () => void): void {
    this.#close(() => {
      this.#lock.release();
      done();
    });
  }

  /**
   * The same, and the next opening finds a log that begins anew behind this snapshot. Not so if the disk fails first: then
   * `done` gets the error, and the log is what it was.
   */
  closeFor(snapshot: IncomingSnapshot, done: (error: Error | null) => void): void {
    this.#close((hasFailed) => {
      // Term and vote are durable by now: a log that is ahead of them would cost this node its vote.
      const error = hasFailed
        ? new WalReadError('WAL_CLOSED', 'the log failed before the snapshot could take its place')
        : diskErrorOf(() => snapshot.publish());
      this.#lock.release();
      done(error);
    });
  }

  /** Lets go of the directory at once and as it is: for who cannot begin with what was found. */
  abandon(): void {
    assert(this.#closing === null && !this.#isBusy, 'a log at work is abandoned');
    this.#finish(() => this.#lock.release());
  }

  #close(done: (hasFailed: boolean) => void): void {
    assert(this.#closing === null && this.#state !== 'closed', 'the log is closed twice');
    this.#closing = done;
    this.#stopWatermarkTimer();
    if (!this.#isBusy) this.#clock.defer(() => this.#advance());
  }

  // --- the chain ----------------------------------------------------------------------------------------------------

  /** Begins the next step, unless one is under way. */
  #advance(): void {
    if (this.#isBusy || this.#state === 'closed') return;
    if (this.#room.waiting !== null) {
      this.#wait(this.#room.waiting);
      return;
    }
    const isOpen = this.#state === 'open';
    const isLast = this.#closing !== null && this.#gathering.isEmpty && this.#isAheadOfWatermark();
    if (isOpen && (this.#isWatermarkDue || isLast))
      this.#guard(() => this.#writeWatermark(() => this.#rest()));
    else if (isOpen && !this.#gathering.isEmpty) {
      const batch = this.#gathering.take();
      this.#guard(() => this.#commit(batch));
    } else if (this.#closing !== null) this.#finish(this.#closing);
  }

  /** Runs a step of the chain; a failed disk operation in it ends the chain. */
  #guard(step: () => void): void {
    this.#isBusy = true;
    try {
      step();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#fail(error);
    }
  }

  /** The next step after a sync, or the end. */
  #then(next: () => void): (error: Error | null) => void {
    return (error) => {
      if (this.#state !== 'open') return;
      if (error === null || this.#mutations.retriesFailedSyncs) this.#guard(next);
      else this.#fail(error);
    };
  }

  #commit(batch: Batch): void {
    const { hardState } = batch;
    if (hardState === null && batch.entries.length === 0 && !this.#truncates(batch)) {
      this.#clock.defer(() => this.#report(batch.number));
      return;
    }
    if (hardState === null) {
      this.#writeBlocks(batch, 0);
      return;
    }
    this.#writeHardState(hardState, () => this.#writeBlocks(batch, 0));
  }

  #writeHardState(hardState: HardState, next: () => void): void {
    const file = this.#hardStateFile;
    file.set(hardState);
    const sync = this.#mutations.skipsHardStateSync ? this.#noSync : file.sync.bind(file);
    file.write(0);
    sync(
      this.#then(() => {
        file.write(1);
        sync(
          this.#then(() => {
            this.#hardStates += 1;
            next();
          }),
        );
      }),
    );
  }

  /** Writes the truncation and the entries from `from` on, block by block, each synced before the next. */
  #writeBlocks(batch: Batch, from: number): void {
    const { entries, truncateFrom } = batch;
    const truncates = from === 0 && this.#truncates(batch);
    if (from === entries.length && !truncates) {
      this.#report(batch.number);
      return;
    }
    const to = blockEnd(entries, from);
    const block = from === 0 && to === entries.length ? entries : entries.slice(from, to);
    const bytes = bytesOf(block);
    if (!this.#writer.fits(bytes)) {
      // The watermark knows of the new segment before there is anything in it: so its loss is noticed.
      const proceed = (): void => this.#writeBlocks(batch, from);
      const rolled = this.#then(() => this.#writeWatermark(proceed));
      this.#writer.roll(bytes, (error) => {
        if (isLackOfRoom(error)) this.#waitForRoom(batch, from);
        else rolled(error);
      });
      return;
    }
    const firstIndex =
      truncates && truncateFrom !== null ? truncateFrom : ((this.#map.lastIndex + 1) as LogIndex);
    const startedMs = this.#clock.monotonicMs();
    try {
      const checksumBefore = truncates ? batch.truncateChecksum : undefined;
      this.#bytesWritten += this.#writer.write(firstIndex, block, checksumBefore);
    } catch (error) {
      if (!isLackOfRoom(error)) throw error;
      if (this.#mutations.writesBehindHalfABlock) this.#writer.active.end += 512;
      this.#waitForRoom(batch, from);
      return;
    }
    if (truncates) this.#durableIndex = Math.min(this.#durableIndex, firstIndex - 1) as LogIndex;
    this.#syncPace.began(startedMs);
    if (this.#mutations.watermarkAheadOfSync) this.#claimEarly();
    const sync = this.#mutations.skipsLogSync ? this.#noSync : this.#writer.sync.bind(this.#writer);
    sync(
      this.#then(() => {
        const nowMs = this.#clock.monotonicMs();
        this.#syncTimes.add(nowMs - startedMs);
        this.#recentSyncTimes.add(nowMs - startedMs, nowMs);
        this.#syncPace.ended(nowMs);
        this.#blocks += 1;
        this.#entries += block.length;
        this.#durableIndex = this.#map.lastIndex;
        this.#watchWatermark();
        if (to < entries.length) this.#writeBlocks({ ...batch, truncateFrom: null }, to);
        else this.#report(batch.number);
      }),
    );
  }

  /**
   * Nothing was reported of this batch but what is written: its hard state, and blocks before `from`. A part of the next
   * block may be in the file; the same bytes go to the same place when it is tried again, and meanwhile recovery would
   * find a torn write.
   */
  #waitForRoom(batch: Batch, from: number): void {
    if (this.#state !== 'open') return;
    mark('wal.waited-for-room');
    this.#isBusy = false;
    const isNews = this.#room.begin({ batch, from });
    // In a turn of its own: it may have been found inside the owner's call of `submit`.
    this.#clock.defer(() => {
      if (this.#state !== 'open') return;
      if (isNews) this.#onRoom(false);
      this.#onHardStateDurable(batch.number);
      if (this.#mutations.countsWhatFoundNoRoom) this.#onDurable(batch.number);
      this.#advance();
    });
  }

  /** One step of what can be done while the log waits. */
  #wait(waiting: WaitingBlock): void {
    const due = this.#gathering.hardState;
    if (this.#closing !== null) {
      this.#room.end();
      this.#gathering.clear();
      this.#advance();
    } else if (this.#isWatermarkDue) {
      // It is written over what is there, and lets the files of trimmed segments go: that may be the room it needs.
      this.#guard(() => this.#writeWatermark(() => this.#rest()));
    } else if (due !== null) {
      const passed = (): void => {
        mark('wal.vote-passed-by');
        this.#gathering.hardStateWritten(due.number);
        this.#onHardStateDurable(due.number);
        this.#rest();
      };
      if (this.#mutations.votesUnwrittenOnFullDisks) this.#clock.defer(passed);
      else this.#guard(() => this.#writeHardState(due.hardState, passed));
    } else if (this.#room.isRetryDue) {
      this.#room.end();
      this.#guard(() => this.#writeBlocks(waiting.batch, waiting.from));
    }
  }

  /** A watermark beside the sync, not after it. */
  #claimEarly(): void {
    this.#watermarkFile.write(watermarkOf(this.#map, this.#writer.active, this.#commitHint));
    this.#watermarkFile.sync(() => undefined);
  }

  readonly #noSync = (done: (error: null) => void): void => this.#clock.defer(() => done(null));

  #truncates({ truncateFrom }: Batch): boolean {
    return truncateFrom !== null && truncateFrom <= this.#map.lastIndex;
  }

  /** Still busy while it reports: what is submitted in answer gathers, and goes in one write afterwards. */
  #report(number: number): void {
    const foundRoom = this.#room.found();
    this.#onDurable(number);
    if (foundRoom) this.#onRoom(true);
    this.#rest();
  }

  #rest(): void {
    this.#isBusy = false;
    this.#advance();
  }

  #fail(error: DiskError | Error): void {
    markFailure(error);
    this.#state = 'failed';
    this.#isBusy = false;
    this.#room.end();
    this.#gathering.clear();
    this.#stopWatermarkTimer();
    // In a turn of its own: the failure may have happened inside the owner's call of `submit`.
    this.#clock.defer(() => {
      this.#onFailure(error);
      this.#advance();
    });
  }

  #finish(done: (hasFailed: boolean) => void): void {
    const hasFailed = this.#state === 'failed';
    this.#state = 'closed';
    this.#closing = null;
    this.#stopWatermarkTimer();
    this.#writer.close();
    this.#files.closeAll();
    this.#hardStateFile.closeSync();
    this.#watermarkFile.closeSync();
    done(hasFailed);
  }

  // --- the watermark ------------------------------------------------------------------------------------------------

  #isAheadOfWatermark(): boolean {
    const { active } = this.#writer;
    return this.#proven.segment !== active.header.sequence || this.#proven.position !== active.end;
  }

  /** The log has moved: looks again soon whether it is idle, and sees to a watermark before the last one is too old. */
  #watchWatermark(): void {
    if (this.#watermarkTimer !== null || this.#closing !== null) return;
    this.#unprovenSinceMs = this.#clock.monotonicMs();
    this.#tickWatermark();
  }

  #tickWatermark(): void {
    this.#blocksAtTick = this.#blocks;
    this.#watermarkTimer = this.#clock.setTimer(WATERMARK_TICK_MS, () => {
      this.#watermarkTimer = null;
      if (!this.#isAheadOfWatermark()) return;
      const isIdle = !this.#isBusy && this.#blocks === this.#blocksAtTick;
      const isOld = this.#clock.monotonicMs() - this.#unprovenSinceMs >= WATERMARK_AGE_MS;
      if (!isIdle && !isOld) {
        this.#tickWatermark();
        return;
      }
      if (!isIdle) mark('wal.old-watermark-replaced');
      this.#isWatermarkDue = true;
      this.#advance();
    });
  }

  #writeWatermark(next: () => void): void {
    this.#isWatermarkDue = false;
    const watermark = watermarkOf(this.#map, this.#writer.active, this.#commitHint);
    this.#watermarkFile.write(watermark);
    this.#watermarkFile.sync(
      this.#then(() => {
        this.#proven = watermark;
        this.#watermarks += 1;
        this.#removeTrimmed();
        next();
      }),
    );
  }

  /** One file a turn: removing a large one takes a moment. What a crash leaves of them the next start removes. */
  #removeTrimmed(): void {
    const next = this.#trimmed[0];
    if (next === undefined || next.header.sequence >= this.#proven.firstSegment || this.#isRemoving) return;
    this.#isRemoving = true;
    this.#clock.defer(() => {
      this.#isRemoving = false;
      if (this.#state !== 'open') return;
      this.#trimmed.shift();
      const error = diskErrorOf(() => this.#disk.unlinkSync(next.path));
      if (error === null) this.#removeTrimmed();
      else this.#fail(error);
    });
  }

  #stopWatermarkTimer(): void {
    this.#watermarkTimer?.cancel();
    this.#watermarkTimer = null;
  }
}

function markFailure(error: Error): void {
  if (!(error instanceof DiskError)) return;
  if (error.code === 'ENOSPC') mark('wal.disk-full');
  else mark(error.operation === 'sync' ? 'wal.sync-failed' : 'wal.write-failed');
}
