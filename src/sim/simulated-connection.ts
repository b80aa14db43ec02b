import type { TimerHandle } from '../base/ports/clock.ts';
import type { CloseReason, Connection, ConnectionHandler } from '../base/ports/network.ts';
import { Slab } from './slab.ts';
import { Pipe, type Medium, type Segment } from './pipe.ts';

/** Sent and not yet received: the socket buffers of both sides. What is beyond waits with the sender. */
const WINDOW_BYTES = 256 * 1024;
/** Above this `write` asks its caller to wait for `onDrain`. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** So long a closing side waits for the other to close too. */
const LINGER_MS = 2000;
/** What released memory is overwritten with. */
const RELEASED = 0xdb;

/** The process that an end of a connection belongs to. */
export interface Owner {
  readonly name: string;
  /** False once the process was killed: it is told nothing any more. */
  readonly isAlive: boolean;
  readonly ends: Set<SimulatedConnection>;
}

export interface SimulatedConnectionOptions {
  /** Chance that a write arrives in several pieces. */
  readonly splitChance: number;
}

/** One end of a simulated connection: the states of TCP as far as an application can see them. */
export class SimulatedConnection implements Connection {
  readonly remoteAddress: string;
  readonly #medium: Medium;
  readonly #options: SimulatedConnectionOptions;
  #owner: Owner | null = null;
  #handler: ConnectionHandler | null = null;
  #peer: SimulatedConnection | null = null;
  #out: Pipe | null = null;
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting';
  #timer: TimerHandle | null = null;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #unreceivedBytes = 0;
  #finSent = false;
  #owesDrain = false;
  /** Takes the call at the listening end. Null at the calling one. */
  readonly #answer: ((end: SimulatedConnection) => boolean) | null;

  private constructor(
    medium: Medium,
    options: SimulatedConnectionOptions,
    remoteAddress: string,
    answer: ((end: SimulatedConnection) => boolean) | null,
  ) {
    this.#medium = medium;
    this.#options = options;
    this.remoteAddress = remoteAddress;
    this.#answer = answer;
  }

  /**
   * Begins to connect.
   * @param call.answer called when the call arrives: calls `accept` on the end it is given and says true, or says
   * false to refuse.
   */
  static dial(
    medium: Medium,
    options: SimulatedConnectionOptions,
    call: {
      readonly from: Owner;
      readonly fromAddress: string;
      readonly to: string;
      readonly toAddress: string;
      readonly timeoutMs: number;
      readonly handler: ConnectionHandler;
      readonly answer: (end: SimulatedConnection) => boolean;
    },
  ): SimulatedConnection {
    const near = new SimulatedConnection(medium, options, call.toAddress, null);
    const far = new SimulatedConnection(medium, options, call.fromAddress, call.answer);
    near.#peer = far;
    far.#peer = near;
    near.#out = new Pipe(medium, call.from.name, call.to, (segment) => far.#receive(segment));
    far.#out = new Pipe(medium, call.to, call.from.name, (segment) => near.#receive(segment));
    near.#own(call.from, call.handler);
    near.#timer = medium.clock.setTimer(call.timeoutMs, () => {
      near.#out?.clear();
      near.#finish({ by: 'connect', code: 'timeout', message: `no answer from ${call.toAddress}` });
    });
    // What a dead process still tries has no effect.
    if (call.from.isAlive) near.#out.send({ type: 'syn' });
    return near;
  }

  get bufferedBytes(): number {
    return this.#unsentBytes;
  }

  /** Name of the host at the other end. */
  get remoteName(): string {
    return this.#out?.to ?? '';
  }

  /** The listening end has somebody to talk to now. */
  accept(owner: Owner, onConnection: (connection: Connection) => ConnectionHandler): void {
    this.#state = 'open';
    this.#out?.send({ type: 'syn-ack' });
    this.#own(owner, null);
    this.#handler = onConnection(this);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#state === 'closing' || this.#state === 'closed') return true;
    // Copied: the receiver may keep the bytes, and must not see what the sender does to its memory afterwards.
    const bytes = concatenate(chunks);
    if (bytes.length === 0) return true;
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
    this.#transmit();
    if (this.#unsentBytes <= HIGH_WATER_BYTES) return true;
    this.#owesDrain = true;
    return false;
  }

  /** Whoever still refers into it finds out. */
  release(bytes: Uint8Array): void {
    bytes.fill(RELEASED);
  }

  close(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    if (this.#state === 'connecting') {
      this.destroy();
      return;
    }
    this.#state = 'closing';
    this.#transmit();
    this.#timer = this.#medium.clock.setTimer(LINGER_MS, () => this.destroy());
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#sendReset();
    this.#state = 'closed';
    this.#medium.clock.setTimer(0, () => this.#finish({ by: 'local' }));
  }

  /**
   * The process behind this end is gone, and nobody here is told. Its kernel resets the connection; unless that is gone
   * too, with the machine's power: then the other end learns of it when it sends something and the machine is back.
   */
  abandon(isSilent: boolean): void {
    this.#handler = null;
    if (this.#state !== 'closed' && !isSilent) this.#sendReset();
    this.#finish({ by: 'local' });
  }

  /** Something between the two ends resets the connection. Each end is told in a turn of its own. */
  sever(): void {
    for (const end of [this, this.#peer]) {
      if (end === null) continue;
      end.#out?.clear();
      const latencyMs = this.#medium.latencyMs(end.#out?.to ?? '', end.#out?.from ?? '');
      this.#medium.clock.setTimer(latencyMs, () => end.#receive({ type: 'rst' }));
    }
  }

  #own(owner: Owner, handler: ConnectionHandler | null): void {
    this.#owner = owner;
    this.#handler = handler;
    owner.ends.add(this);
  }

  #sendReset(): void {
    this.#unsent = [];
    this.#unsentBytes = 0;
    const out = this.#out;
    if (out === null) return;
    // What waits behind a cut is repeated by nobody once this end is gone.
    if (this.#medium.isCut(out.from, out.to)) out.clear();
    out.send({ type: 'rst' });
  }

  #receive(segment: Segment): void {
    if (this.#out !== null && this.#medium.isDark(this.#out.from)) return;
    if (this.#owner !== null && !this.#owner.isAlive) this.#state = 'closed';
    switch (segment.type) {
      case 'syn':
        if (this.#answer?.(this) !== true) this.#out?.send({ type: 'rst' });
        return;
      case 'syn-ack':
        this.#opened();
        return;
      case 'data':
        if (this.#peer !== null) this.#peer.#received(segment.bytes.length);
        if (this.#state === 'closed') this.#out?.send({ type: 'rst' });
        else this.#handler?.onData(segment.bytes);
        return;
      case 'fin':
        this.#onFin();
        return;
      case 'rst':
        if (this.#state === 'connecting') {
          this.#finish({ by: 'connect', code: 'refused', message: `${this.remoteAddress} refused` });
        } else if (this.#state !== 'closed') {
          this.#finish(this.#state === 'closing' ? { by: 'local' } : { by: 'remote', code: 'reset' });
        }
    }
  }

  #opened(): void {
    if (this.#state !== 'connecting') {
      this.#out?.send({ type: 'rst' });
      return;
    }
    this.#state = 'open';
    this.#timer?.cancel();
    this.#timer = null;
    this.#handler?.onOpen?.();
    this.#transmit();
  }

  #onFin(): void {
    if (this.#state === 'closed') return;
    const wasClosing = this.#state === 'closing';
    if (!this.#finSent) {
      // There is no half-open state: what is buffered still goes, then this end closes too.
      for (const bytes of this.#unsent) this.#out?.send({ type: 'data', bytes });
      this.#out?.send({ type: 'fin' });
      this.#finSent = true;
    }
    this.#finish(wasClosing ? { by: 'local' } : { by: 'remote', code: 'end' });
  }

  /** The other end took so many bytes. */
  #received(count: number): void {
    this.#unreceivedBytes -= count;
    if (this.#state !== 'closed') this.#transmit();
  }

  #transmit(): void {
    if (this.#state === 'connecting') return;
    let sent = 0;
    for (const bytes of this.#unsent) {
      if (this.#unreceivedBytes >= WINDOW_BYTES) break;
      this.#unreceivedBytes += bytes.length;
      this.#unsentBytes -= bytes.length;
      this.#sendPieces(bytes);
      sent += 1;
    }
    if (sent > 0) this.#unsent = this.#unsent.slice(sent);
    if (this.#unsent.length > 0) return;
    if (this.#state === 'closing' && !this.#finSent) {
      this.#finSent = true;
      this.#out?.send({ type: 'fin' });
    }
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.#medium.clock.setTimer(0, () => {
      if (this.#state === 'open') this.#handler?.onDrain?.();
    });
  }

  #sendPieces(bytes: Uint8Array): void {
    const { prng } = this.#medium;
    let rest = bytes;
    while (rest.length > 1 && this.#options.splitChance > 0 && prng.chance(this.#options.splitChance)) {
      const at = prng.between(1, rest.length - 1);
      this.#out?.send({ type: 'data', bytes: rest.subarray(0, at) });
      rest = rest.subarray(at);
    }
    this.#out?.send({ type: 'data', bytes: rest });
  }

  #finish(reason: CloseReason): void {
    this.#state = 'closed';
    this.#timer?.cancel();
    this.#timer = null;
    this.#unsent = [];
    this.#unsentBytes = 0;
    const owner = this.#owner;
    const handler = this.#handler;
    owner?.ends.delete(this);
    this.#handler = null;
    if (owner?.isAlive === true) handler?.onClose(reason);
  }
}

const slab = new Slab();

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  const bytes = slab.take(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
