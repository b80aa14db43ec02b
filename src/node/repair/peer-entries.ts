import { EntryFormatError, parseEntries, parseEntryAt, type Entry } from '../../base/entry.ts';
import type { HostPort } from '../../base/host-port.ts';
import type { Clock, TimerHandle } from '../../base/ports/clock.ts';
import type { Network } from '../../base/ports/network.ts';
import { indexPlus, type LogIndex } from '../../base/units.ts';
import type { EntrySource } from '../../wal/index.ts';
import { decodeError } from '../../wire/errors.ts';
import { encodeFrame, FrameKind, type Frame } from '../../wire/frame.ts';
import type { Hello } from '../../wire/handshake.ts';
import { decodeEntries, encodeGetEntries } from '../../wire/log-codec.ts';
import { WireError } from '../../wire/wire-error.ts';
import { NodeConnection } from '../node-connection.ts';

export interface PeerEntriesParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly enter: () => void;
  readonly hello: () => Hello;
  /** The other nodes. */
  readonly peers: () => readonly { readonly id: string; readonly address: HostPort }[];
}

/** For one answer: whoever is slower is asked again later, and another one now. */
const ANSWER_TIMEOUT_MS = 3000;
const PAGE_BYTES: number = 1024 * 1024;
/** A run between two borders is a few blocks at most. */
const RUN_BYTES_MAX: number = 64 * 1024 * 1024;
/** Remembered of the past: no more are damaged at a time. */
const RANGES_MAX = 1000;

/**
 * Gets entries of the log from whoever has them: leader or not, it makes no difference, because every entry is proven by
 * the checksums of the log that is being mended.
 */
export class PeerEntries implements EntrySource {
  readonly #parts: PeerEntriesParts;
  /**
   * How often each range was asked for: each time another one is the first to be asked, so that one whose answer does not
   * fit does not keep the others from being asked.
   */
  readonly #times = new Map<string, number>();
  #asking: Asking | null = null;
  #isClosed = false;

  constructor(parts: PeerEntriesParts) {
    this.#parts = parts;
  }

  fetch(
    first: LogIndex,
    last: LogIndex,
    previousChecksum: number | null,
    done: (entries: readonly Entry[] | string) => void,
  ): void {
    const peers = this.#parts.peers();
    const begin = this.#turn(`${first}-${last}`);
    const reasons = new Map<string, string>();
    const ask = (at: number): void => {
      // What was asked may have been answered, and not been told yet, when this was closed.
      if (this.#isClosed) return;
      const peer = peers[(begin + at) % peers.length];
      if (peer === undefined || at === peers.length) {
        // Whoever called has not returned yet.
        this.#parts.clock.defer(() => {
          if (this.#isClosed) return;
          this.#parts.enter();
          const told = peers.map(({ id }) => `${id}: ${reasons.get(id) ?? ''}`);
          done(told.length === 0 ? 'there is no other node' : told.join('; '));
        });
        return;
      }
      this.#asking = new Asking(this.#parts, peer.address, { first, last, previousChecksum }, (result) => {
        if (this.#isClosed) return;
        this.#asking = null;
        if (typeof result !== 'string') {
          done(result);
          return;
        }
        reasons.set(peer.id, result);
        ask(at + 1);
      });
    };
    ask(0);
  }

  /** Nobody is asked or called back any more. */
  close(): void {
    this.#isClosed = true;
    this.#asking?.close();
    this.#asking = null;
  }

  #turn(range: string): number {
    const times = this.#times.get(range) ?? 0;
    if (this.#times.size >= RANGES_MAX) this.#times.clear();
    this.#times.set(range, times + 1);
    return times;
  }
}

interface Wanted {
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly previousChecksum: number | null;
}

/** One node is asked, page by page. */
class Asking {
  readonly #wanted: Wanted;
  readonly #clock: Clock;
  readonly #enter: () => void;
  readonly #done: (result: readonly Entry[] | string) => void;
  readonly #connection: NodeConnection;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #timer: TimerHandle | null = null;
  #isOver = false;

  constructor(
    { network, clock, enter, hello }: PeerEntriesParts,
    address: HostPort,
    wanted: Wanted,
    done: (result: readonly Entry[] | string) => void,
  ) {
    this.#wanted = wanted;
    this.#clock = clock;
    this.#enter = enter;
    this.#done = done;
    this.#connection = new NodeConnection(address, network, hello(), {
      enter,
      onUp: () => this.#askOn(),
      onFrame: (frame) => this.#onFrame(frame),
      onDown: (why) => this.#end(why),
    });
    this.#await();
  }

  close(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#connection.close();
  }

  get #next(): LogIndex {
    return indexPlus(this.#wanted.first, this.#entries.length);
  }

  #await(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(ANSWER_TIMEOUT_MS, () => {
      this.#enter();
      this.#end(`no answer within ${ANSWER_TIMEOUT_MS} ms`);
    });
  }

  #askOn(): void {
    const request = { first: this.#next, last: this.#wanted.last, bytesMax: PAGE_BYTES };
    this.#connection.send(encodeFrame(FrameKind.GET_ENTRIES, 1, [encodeGetEntries(request)]));
    this.#connection.flush();
    this.#await();
  }

  #onFrame(frame: Frame): void {
    if (this.#isOver) return;
    try {
      if (frame.kind === FrameKind.ERROR) this.#end(decodeError(frame.body).message);
      else if (frame.kind === FrameKind.ENTRIES) this.#take(decodeEntries(frame.body));
      else this.#end(`a frame of kind ${frame.kind} is no answer`);
    } catch (error) {
      if (error instanceof WireError) this.#end(error.message);
      else if (error instanceof EntryFormatError) this.#end('what it has there does not continue this log');
      else throw error;
    }
  }

  #take(bytes: Uint8Array): void {
    const { last } = this.#wanted;
    const entries = this.#parse(bytes);
    for (const entry of entries) if (entry.index <= last) this.#entries.push(entry);
    this.#bytes += bytes.length;
    if (this.#next > last) this.#end(this.#entries);
    else if (this.#bytes > RUN_BYTES_MAX) this.#end(`more than ${RUN_BYTES_MAX} bytes to index ${last}`);
    else this.#askOn();
  }

  /** The last of them vouches for all before: where it is not known what the first one follows, it follows what it says. */
  #parse(bytes: Uint8Array): Entry[] {
    const firstIndex = this.#next;
    const previousChecksum = this.#entries.at(-1)?.checksum ?? this.#wanted.previousChecksum;
    if (previousChecksum !== null) return parseEntries(bytes, { previousChecksum, firstIndex });
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const begin = parseEntryAt(bytes, view, 0, null);
    if (begin.index !== firstIndex) throw new EntryFormatError('ENTRY_FIELD', 0, `entry ${begin.index}`);
    const rest = bytes.subarray(begin.bytes.length);
    const following = indexPlus(firstIndex, 1);
    return [begin, ...parseEntries(rest, { previousChecksum: begin.checksum, firstIndex: following })];
  }

  #end(result: readonly Entry[] | string): void {
    if (this.#isOver) return;
    this.close();
    // The connection is in the middle of a call.
    this.#clock.defer(() => {
      this.#enter();
      this.#done(result);
    });
  }
}
