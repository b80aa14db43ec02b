import type { Connection } from '../base/ports/network.ts';

/** How long a receiver refers into the body of a frame: till the end of the turn, or for as long as it likes. */
export type BodyUse = 'this-turn' | 'kept';

/**
 * Received bytes that nobody needs once the turn is over, because what they held was copied into the log. They are given
 * back at once. Left to the garbage collector they would be its main work: buffers count as garbage of their full size,
 * and each few megabytes of them make it go over a heap in which hardly anything has changed.
 */
export class TurnMemory {
  readonly #connections: Connection[] = [];
  readonly #received: Uint8Array[] = [];
  readonly #bodies: Uint8Array[] = [];

  /** What a connection handed over, and no one keeps. */
  received(connection: Connection, bytes: Uint8Array): void {
    this.#connections.push(connection);
    this.#received.push(bytes);
  }

  /** A body that was put together from several pieces, in memory of its own. */
  assembled(body: Uint8Array): void {
    this.#bodies.push(body);
  }

  /** End of the turn. @param isUsedUp false where something still waits to be copied: then all of it is left to the collector. */
  end(isUsedUp: boolean): void {
    if (this.#received.length === 0 && this.#bodies.length === 0) return;
    if (isUsedUp) {
      for (const [at, bytes] of this.#received.entries()) this.#connections[at]?.release(bytes);
      for (const { buffer } of this.#bodies) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
    }
    this.#connections.length = 0;
    this.#received.length = 0;
    this.#bodies.length = 0;
  }
}
