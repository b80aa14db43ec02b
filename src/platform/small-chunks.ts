import { Buffer } from 'node:buffer';

/** Chunks up to this size are copied next to each other. */
const SMALL_BYTES_MAX = 4096;
const SLAB_BYTES = 64 * 1024;
/** For all connections together. While those that do not drain hold them all, chunks go one by one. */
const SLABS_MAX = 64;

type Send = (bytes: Uint8Array, sent?: () => void) => void;

/**
 * Puts runs of small chunks together before they are sent. A stream of Node's keeps a record, a callback and a place in
 * a vector for each chunk that it is given: for a request of some 300 bytes that costs several times the copy. The
 * memory is used again as soon as the stream is done with it: left to the collector, it would count as garbage of its full
 * size with each write.
 */
export class SmallChunks {
  readonly #free: Uint8Array[] = [];
  #made = 0;

  /** @param send is given all of the chunks, in order, and calls `sent` when it needs the bytes no more. */
  send(chunks: readonly Uint8Array[], send: Send): void {
    let at = 0;
    while (at < chunks.length) {
      const end = endOfRun(chunks, at);
      const slab = end - at > 1 ? this.#take() : null;
      if (slab !== null) send(slab.subarray(0, fill(slab, chunks, at, end)), () => this.#free.push(slab));
      else for (const chunk of chunks.slice(at, end)) send(chunk);
      at = end;
    }
  }

  #take(): Uint8Array | null {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made === SLABS_MAX) return null;
    this.#made += 1;
    return Buffer.allocUnsafeSlow(SLAB_BYTES);
  }
}

/** Copies chunks `from` to `to` (not included) next to each other. @returns their bytes. */
function fill(slab: Uint8Array, chunks: readonly Uint8Array[], from: number, to: number): number {
  let bytes = 0;
  for (let at = from; at < to; at += 1) {
    const chunk = chunks[at] as Uint8Array;
    slab.set(chunk, bytes);
    bytes += chunk.length;
  }
  return bytes;
}

/** Behind the last of the chunks from `from` on that go into one slab: behind that one alone, if it is large. */
function endOfRun(chunks: readonly Uint8Array[], from: number): number {
  let bytes = 0;
  for (let at = from; at < chunks.length; at += 1) {
    const { length } = chunks[at] as Uint8Array;
    bytes += length;
    if (length > SMALL_BYTES_MAX || bytes > SLAB_BYTES) return Math.max(at, from + 1);
  }
  return chunks.length;
}
