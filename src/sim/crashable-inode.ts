import type { Prng } from '../base/prng.ts';

/** What becomes of bytes and names that were not synced: nothing survives, everything does, or each by chance. */
export type Survival = 'none' | 'all' | 'some';

/** The unit that is written whole or not at all. */
export const SECTOR_BYTES = 512;

const SPARE_BYTES_MAX = 64 * SECTOR_BYTES;
const NO_BYTES = new Uint8Array(0);

/** A sync in flight: the sectors it covers, as they were when it was begun, one after the other from where `bytes` begins. */
export interface SyncTicket {
  readonly sectors: readonly number[];
  readonly bytes: Uint8Array;
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
  /** A crash may have stored any part of these. */
  readonly #inFlight = new Set<SyncTicket>();
  /** Memory of a sync that is over. */
  #spare: Uint8Array = NO_BYTES;

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
    const sectors = [...this.#dirty];
    const bytes = this.#memoryFor(sectors.length);
    for (let at = 0; at < sectors.length; at += 1)
      bytes.set(this.#sector(sectors[at] ?? 0), at * SECTOR_BYTES);
    this.#dirty.clear();
    const ticket = { sectors, bytes, size: this.#size };
    this.#inFlight.add(ticket);
    return ticket;
  }

  endSync(ticket: SyncTicket): void {
    this.#inFlight.delete(ticket);
    const { sectors, bytes, size } = ticket;
    for (let at = 0; at < sectors.length; at += 1) this.#store(sectors[at] ?? 0, ticket, at);
    this.#durableSize = Math.max(this.#durableSize, size);
    // The next sync takes the memory of this one: most are of a few sectors, and one follows the other.
    if (bytes.length <= SPARE_BYTES_MAX && bytes.length > this.#spare.length) this.#spare = bytes;
  }

  /** Instead of `endSync`: some sectors arrived, and nobody will write the others any more. */
  failSync(ticket: SyncTicket, prng: Prng): void {
    this.#inFlight.delete(ticket);
    for (const [at, sector] of ticket.sectors.entries()) {
      if (prng.chance(0.5)) this.#store(sector, ticket, at);
      else if (!this.#dirty.has(sector)) this.#lost.add(sector);
    }
  }

  /** Instead of `endSync`: who asked for it is dead. The sectors are as unsynced as before. */
  abandonSync(ticket: SyncTicket): void {
    this.#inFlight.delete(ticket);
    for (const sector of ticket.sectors) this.#dirty.add(sector);
  }

  powerCut(survival: Survival, prng: Prng): void {
    if (this.#dirty.size > 0) this.beginSync();
    const touched = [...this.#lost];
    for (const ticket of this.#inFlight) {
      for (const [at, sector] of ticket.sectors.entries()) {
        touched.push(sector);
        if (survival === 'none' || (survival === 'some' && prng.chance(0.5))) continue;
        this.#store(sector, ticket, at);
        // It reached the medium without its sync having ended: the file is at least as long as that.
        this.#durableSize = Math.max(this.#durableSize, Math.min(this.#size, (sector + 1) * SECTOR_BYTES));
      }
    }
    for (const sector of touched) {
      const start = sector * SECTOR_BYTES;
      this.#visible.set(this.#durable.subarray(start, start + SECTOR_BYTES), start);
    }
    this.#inFlight.clear();
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

  #memoryFor(sectors: number): Uint8Array {
    const bytes = sectors * SECTOR_BYTES;
    const spare = this.#spare;
    if (spare.length < bytes) return new Uint8Array(bytes);
    this.#spare = NO_BYTES;
    return spare;
  }

  #sector(sector: number): Uint8Array {
    return this.#visible.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
  }

  #store(sector: number, { bytes }: SyncTicket, at: number): void {
    this.#durable.set(bytes.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES), sector * SECTOR_BYTES);
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
