import { crc32 } from '../base/crc32.ts';
import type { Clock } from '../base/ports/clock.ts';

/**
 * What happened in a run, as a number: two runs with the same hash did the same things at the same times. Lines are for
 * people, and cost only where somebody listens.
 */
export class Trace {
  readonly #clock: Clock;
  readonly #onLine: ((line: string) => void) | null;
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  /** Of names that come with every piece of data. */
  readonly #names = new Map<string, number>();
  #one = 0x811c9dc5;
  #other = 0x9e3779b9;

  constructor(clock: Clock, onLine: ((line: string) => void) | null) {
    this.#clock = clock;
    this.#onLine = onLine;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return [this.#one, this.#other].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Takes a number into the hash. */
  mix(value: number): void {
    this.#float[0] = value;
    this.#mixWord(this.#words[0] as number);
    this.#mixWord(this.#words[1] as number);
  }

  /** Takes an event into the hash and tells it, with its time and where it happened. */
  note(where: string, text: string): void {
    const atMs = this.#clock.monotonicMs();
    this.mix(atMs);
    for (let at = 0; at < where.length; at += 1) this.#mixWord(where.charCodeAt(at));
    for (let at = 0; at < text.length; at += 1) this.#mixWord(text.charCodeAt(at));
    this.#onLine?.(`${atMs.toFixed(3).padStart(11)} ms  ${where.padEnd(8)} ${text}`);
  }

  /** Takes into the hash what was written to a disk, or came over the network: where, and every byte of it. */
  bytes(machine: string, place: string, position: number, bytes: Uint8Array): void {
    this.#mixWord(this.#wordOf(machine));
    this.#mixWord(this.#wordOf(place));
    this.#mixWord(position);
    this.#mixWord(bytes.length);
    this.#mixWord(crc32(bytes));
  }

  #wordOf(name: string): number {
    let word = this.#names.get(name);
    if (word === undefined) {
      word = crc32(new TextEncoder().encode(name));
      this.#names.set(name, word);
    }
    return word;
  }

  /** Two multiplicative hashes with different constants and shifts, so that one's collision is not the other's. */
  #mixWord(word: number): void {
    this.#one = Math.imul(this.#one ^ word, 0x01000193);
    this.#one ^= this.#one >>> 15;
    this.#other = Math.imul(this.#other + word, 0x85ebca6b);
    this.#other ^= this.#other >>> 13;
  }
}
