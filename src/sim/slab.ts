const SLAB_BYTES = 64 * 1024;
const PIECE_BYTES_MAX = 4096;

/**
 * Memory for small pieces, many from one allocation: what is sent in a simulation is mostly some hundred bytes, and a
 * buffer of its own for each costs several times what is done with it. Every piece is given out once, and the slab goes with
 * the last of them.
 */
export class Slab {
  #memory: ArrayBuffer = new ArrayBuffer(SLAB_BYTES);
  #used = 0;

  /** @returns zeroed memory. */
  take(bytes: number): Uint8Array {
    if (bytes > PIECE_BYTES_MAX) return new Uint8Array(bytes);
    if (this.#used + bytes > SLAB_BYTES) {
      this.#memory = new ArrayBuffer(SLAB_BYTES);
      this.#used = 0;
    }
    const piece = new Uint8Array(this.#memory, this.#used, bytes);
    this.#used += bytes;
    return piece;
  }
}
