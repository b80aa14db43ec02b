import { encodeConfiguration, type Configuration } from '../base/configuration.ts';
import { entryTime } from '../base/entry.ts';
import { isLackOfRoom } from '../base/ports/disk.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex } from '../base/units.ts';
import type { StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import type { CheckpointHeader, CheckpointStore } from '../wal/index.ts';
import type { Applier } from './applier.ts';

export interface CheckpointerOptions {
  readonly everyBytes: number;
  readonly mutations: Mutations;
  /** The newest committed configuration with its index. */
  readonly configuration: () => { readonly index: LogIndex; readonly value: Configuration } | null;
  readonly enter: () => void;
  /** Whether there is room on the disk. Without, a checkpoint can wait: the log is longer to read at the next start. */
  readonly hasRoom: () => boolean;
  /** Makes durable what a checkpoint of this moment counts on; calls back when it may be written. */
  readonly beforeWriting: (done: () => void) => void;
  readonly onWritten: (index: LogIndex) => void;
  readonly onFailure: (error: Error) => void;
}

/**
 * Writes the state machine to disk now and then, so that a start replays a stretch of the log and not all of it.
 * Taken at an index that is applied and durable here: a checkpoint must never know more than this node's own log.
 */
export class Checkpointer {
  readonly #core: RaftCore;
  readonly #machine: StateMachine;
  readonly #applier: Applier;
  readonly #store: CheckpointStore;
  readonly #options: CheckpointerOptions;
  #atBytes = 0;
  #writing = false;
  #settling: (() => void) | null = null;
  #lastIndex: LogIndex;

  constructor(
    core: RaftCore,
    machine: StateMachine,
    applier: Applier,
    store: CheckpointStore,
    lastIndex: LogIndex,
    options: CheckpointerOptions,
  ) {
    this.#core = core;
    this.#machine = machine;
    this.#applier = applier;
    this.#store = store;
    this.#lastIndex = lastIndex;
    this.#options = options;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /** Calls back when none is being written. */
  settle(done: () => void): void {
    if (this.#writing) this.#settling = done;
    else done();
  }

  /** Begins a checkpoint if enough was applied since the last. */
  consider(): void {
    if (this.#applier.appliedBytes - this.#atBytes >= this.#options.everyBytes) this.write(() => undefined);
  }

  /** Writes a checkpoint of what is applied now, if that is durable here and news. */
  write(done: () => void): void {
    const entry = this.#applier.last;
    const configuration = this.#options.configuration();
    if (
      this.#writing ||
      !this.#options.hasRoom() ||
      entry === null ||
      configuration === null ||
      entry.index <= this.#lastIndex ||
      (entry.index > this.#core.durableIndex && !this.#options.mutations.checkpointsAheadOfLog)
    ) {
      done();
      return;
    }
    this.#writing = true;
    this.#atBytes = this.#applier.appliedBytes;
    const header: CheckpointHeader = {
      index: entry.index,
      term: entry.term,
      checksum: entry.checksum,
      configurationIndex: configuration.index,
      configuration: encodeConfiguration(configuration.value),
      stateDigest: this.#machine.digest(),
      timeMs: entryTime(entry),
    };
    // The view is taken now; what it counts on, and only then the view itself, is made durable while entries go on being
    // applied.
    const state = this.#machine.checkpoint();
    this.#options.beforeWriting(() =>
      this.#store.write(header, state, (error) => {
        this.#options.enter();
        this.#writing = false;
        if (error === null) {
          this.#lastIndex = header.index;
          this.#options.onWritten(header.index);
        } else if (!isLackOfRoom(error)) {
          // One that found no room is tried again when so much more was applied.
          this.#options.onFailure(error);
        }
        done();
        const settled = this.#settling;
        this.#settling = null;
        settled?.();
      }),
    );
  }
}
