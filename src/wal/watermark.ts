import type { DiskFile } from '../base/ports/disk.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { WATERMARK, WATERMARK_FLAG_CUTTING, WATERMARK_MAGIC } from './format.ts';
import type { Identity } from './identity.ts';
import {
  encodeSlot,
  isLastKnown,
  newestSlot,
  readSlots,
  slotSequence,
  writeSlot,
  type SlotNumber,
  type SlotOwner,
} from './slots.ts';

/** A place in the log before which everything is durable, and what the log was at that place. */
export interface Watermark {
  readonly segment: number;
  readonly position: number;
  readonly epoch: number;
  /** Blocks before `position` in its segment. */
  readonly blocks: number;
  readonly index: LogIndex;
  readonly term: Term;
  readonly checksum: number;
  /** An index known to be committed. Only a hint: it is never above `index`. */
  readonly commitHint: LogIndex;
  /** The log begins with this one; what is there of earlier segments is no part of it any more. 0 = not told. */
  readonly firstSegment: number;
  /** Everything after `position` is what is left of a torn write, and is being erased. */
  readonly isCutting: boolean;
}

/** A watermark as it was found. */
export interface FoundWatermark extends Watermark {
  /** No newer one was lost that had been durable. */
  readonly isNewest: boolean;
}

class WatermarkNumberError extends Error {}

/** The two slots of `watermark`, which take turns: an older watermark claims less, and what it claims is as true. */
export class WatermarkFile {
  readonly #file: DiskFile;
  readonly #identity: Identity;
  #sequence: number;
  #next: SlotNumber;

  constructor(file: DiskFile, identity: Identity) {
    this.#file = file;
    this.#identity = identity;
    const slots = readSlots(file, ownerOf(identity));
    const newest = newestSlot(slots);
    const slot = newest === null ? null : slots[newest];
    this.#sequence = slot === null ? 0 : slotSequence(slot);
    this.#next = newest === 0 ? 1 : 0;
  }

  /** Fills a new file with one watermark; it is not synced yet. */
  static format(file: DiskFile, identity: Identity, watermark: Watermark): void {
    file.writevSync([new Uint8Array(8192)], 0);
    new WatermarkFile(file, identity).write(watermark);
  }

  /** @returns null if no slot is valid. */
  static read(file: DiskFile, identity: Identity): FoundWatermark | null {
    const slots = readSlots(file, ownerOf(identity));
    const newest = newestSlot(slots);
    const slot = newest === null ? null : slots[newest];
    if (slot === null) return null;
    const uint53 = (offset: number): number => readUint53(slot, offset, WatermarkNumberError);
    return {
      segment: uint53(WATERMARK.segment),
      position: uint53(WATERMARK.position),
      epoch: slot.getUint32(WATERMARK.epoch, true),
      blocks: slot.getUint32(WATERMARK.blocks, true),
      index: uint53(WATERMARK.index) as LogIndex,
      term: uint53(WATERMARK.term) as Term,
      checksum: slot.getUint32(WATERMARK.checksum, true),
      commitHint: uint53(WATERMARK.commitHint) as LogIndex,
      firstSegment: uint53(WATERMARK.firstSegment),
      isCutting: (slot.getUint32(WATERMARK.flags, true) & WATERMARK_FLAG_CUTTING) !== 0,
      isNewest: isLastKnown(slots, file),
    };
  }

  /** Writes it over the older slot; `sync` is to follow. */
  write(watermark: Watermark): void {
    this.#sequence += 1;
    const bytes = encodeSlot(ownerOf(this.#identity), this.#sequence, (view) => {
      view.setUint32(WATERMARK.group, this.#identity.group, true);
      view.setUint32(WATERMARK.epoch, watermark.epoch, true);
      writeUint53(view, WATERMARK.segment, watermark.segment);
      writeUint53(view, WATERMARK.position, watermark.position);
      writeUint53(view, WATERMARK.index, watermark.index);
      writeUint53(view, WATERMARK.term, watermark.term);
      view.setUint32(WATERMARK.checksum, watermark.checksum, true);
      view.setUint32(WATERMARK.blocks, watermark.blocks, true);
      writeUint53(view, WATERMARK.commitHint, watermark.commitHint);
      writeUint53(view, WATERMARK.firstSegment, watermark.firstSegment);
      view.setUint32(WATERMARK.flags, watermark.isCutting ? WATERMARK_FLAG_CUTTING : 0, true);
    });
    writeSlot(this.#file, this.#next, bytes);
    this.#next = this.#next === 0 ? 1 : 0;
  }

  sync(done: Parameters<DiskFile['datasync']>[0]): void {
    this.#file.datasync(done);
  }

  syncSync(): void {
    this.#file.datasyncSync();
  }

  closeSync(): void {
    this.#file.closeSync();
  }
}

function ownerOf(identity: Identity): SlotOwner {
  return { magic: WATERMARK_MAGIC, incarnation: identity.incarnation };
}
