import type { Prng } from '../base/prng.ts';

/** What becomes of bytes and names that were not synced: nothing survives, everything does, or each by chance. */
export type Survival = 'none' | 'all' | 'some';

/** The unit that is written whole or not at all. */
export const SECTOR_BYTES = 512;

/** A sync in flight: the sectors it covers, as they were when it was begun. */
export interface SyncTicket {
  readonly sectors: ReadonlyMap<number, Uint8Array>;
  readonly size: number;
}

/**
 * The contents of one file: what processes see, and what the medium holds. Only the sectors in which the two may differ
 * are ever copied or compared, so a crash costs what was unsynced and not what is stored.
 */
export class CrashableInode {
  #visible: Uint8Array = new Uint8Array(0);
  #durable: Uint8Array = new Uint8Array(0);
  #size = 0;
  #durableSize = 0;
  /** Sectors written since they were last synced. */
  readonly #dirty = new Set<number>();
  /** Sectors whose sync failed: shown, called clean, and not on the medium. No later sync brings them there. */
  readonly #lost = new Set<number>();
  /** Sectors of syncs in flight, as they were when the sync began. A crash may have stored that version. */
  readonly #inFlight = new Map<number, Uint8Array>();

  get size(): number {
    return this.#size;
  }

  get dirtyBytes(): number {
    return this.#dirty.size * SECTOR_BYTES;
  }

  visible(): Uint8Array {
    return this.#visible.subarray(0, this.#size);
  }

  durable(): Uint8Array {
    return this.#durable.subarray(0, this.#durableSize);
  }

  read(target: Uint8Array, position: number): number {
    const bytes = Math.max(0, Math.min(target.length, this.#size - position));
    target.set(this.#visible.subarray(position, position + bytes));
    return bytes;
  }

  write(chunk: Uint8Array, position: number): void {
    if (chunk.length === 0) return;
    const end = position + chunk.length;
    this.#grow(end);
    this.#visible.set(chunk, position);
    this.#size = Math.max(this.#size, end);
    const last = Math.floor((end - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(position / SECTOR_BYTES); sector <= last; sector += 1) {
      this.#dirty.add(sector);
      this.#lost.delete(sector);
    }
  }

  beginSync(): SyncTicket {
    const sectors = new Map<number, Uint8Array>();
    for (const sector of this.#dirty) {
      const start = sector * SECTOR_BYTES;
      const copy = this.#visible.slice(start, start + SECTOR_BYTES);
      sectors.set(sector, copy);
      this.#inFlight.set(sector, copy);
    }
    this.#dirty.clear();
    return { sectors, size: this.#size };
  }

  endSync(ticket: SyncTicket): void {
    for (const [sector, bytes] of ticket.sectors) {
      this.#store(sector, bytes);
      if (this.#inFlight.get(sector) === bytes) this.#inFlight.delete(sector);
    }
    this.#durableSize = Math.max(this.#durableSize, ticket.size);
  }

  /** Instead of `endSync`: some sectors arrived, and nobody will write the others any more. */
  failSync(prng: Prng): void {
    for (const [sector, bytes] of this.#inFlight) {
      if (prng.chance(0.5)) this.#store(sector, bytes);
      else if (!this.#dirty.has(sector)) this.#lost.add(sector);
    }
    this.#inFlight.clear();
  }

  /** Instead of `endSync`: who asked for it is dead. The sectors are as unsynced as before. */
  abandonSync(ticket: SyncTicket): void {
    for (const [sector, bytes] of ticket.sectors) {
      this.#dirty.add(sector);
      if (this.#inFlight.get(sector) === bytes) this.#inFlight.delete(sector);
    }
  }

  powerCut(survival: Survival, prng: Prng): void {
    const kept = (): boolean => survival === 'all' || (survival === 'some' && prng.chance(0.5));
    for (const [sector, bytes] of this.#inFlight) if (kept()) this.#keep(sector, bytes);
    for (const sector of this.#dirty) {
      const start = sector * SECTOR_BYTES;
      if (kept()) this.#keep(sector, this.#visible.slice(start, start + SECTOR_BYTES));
    }
    for (const sector of [...this.#inFlight.keys(), ...this.#dirty, ...this.#lost]) {
      const start = sector * SECTOR_BYTES;
      this.#visible.set(this.#durable.subarray(start, start + SECTOR_BYTES), start);
    }
    this.#inFlight.clear();
    this.#dirty.clear();
    this.#lost.clear();
    this.#size = this.#durableSize;
  }

  setByte(position: number, change: (byte: number) => number): void {
    const byte = change(this.#visible[position] ?? 0) & 0xff;
    this.#visible[position] = byte;
    this.#durable[position] = byte;
  }

  shrink(bytes: number): void {
    this.#visible.fill(0, bytes);
    this.#durable.fill(0, bytes);
    this.#size = Math.min(this.#size, bytes);
    this.#durableSize = Math.min(this.#durableSize, bytes);
  }

  /** A sector reached the medium without its sync having ended: the file is at least as long as that. */
  #keep(sector: number, bytes: Uint8Array): void {
    this.#store(sector, bytes);
    const end = Math.min(this.#size, (sector + 1) * SECTOR_BYTES);
    this.#durableSize = Math.max(this.#durableSize, end);
  }

  #store(sector: number, bytes: Uint8Array): void {
    this.#durable.set(bytes.subarray(0, this.#durable.length - sector * SECTOR_BYTES), sector * SECTOR_BYTES);
  }

  #grow(bytes: number): void {
    if (bytes <= this.#visible.length) return;
    const capacity = Math.max(Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES, this.#visible.length * 2);
    this.#visible = enlarged(this.#visible, capacity);
    this.#durable = enlarged(this.#durable, capacity);
  }
}

function enlarged(bytes: Uint8Array, capacity: number): Uint8Array {
  const larger = new Uint8Array(capacity);
  larger.set(bytes);
  return larger;
}
