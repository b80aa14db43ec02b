import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import { NO_TERM, type GroupId, type NodeId, type Term } from '../base/units.ts';
import { HARD_STATE, HARD_STATE_FLAG_VOTE_LOST, HARD_STATE_MAGIC, HARD_STATE_NAME } from './format.ts';
import type { Identity } from './identity.ts';
import {
  encodeSlot,
  newestSlot,
  readSlots,
  slotSequence,
  writeSlot,
  type SlotNumber,
  type SlotOwner,
  type SlotPair,
} from './slots.ts';

/** What must survive a crash besides the log: figure 2's currentTerm and votedFor. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: NodeId | null;
}

export interface StoredHardState {
  readonly value: HardState;
  readonly voteLost: boolean;
}

class HardStateNumberError extends Error {}

/**
 * The two slots of `hard-state`. Both hold the same value except in the moments between the two writes of a change, so
 * that either may rot: with slots that take turns, the loss of the newer one would bring back a vote of the past.
 */
export class HardStateFile {
  readonly #file: DiskFile;
  readonly #owner: SlotOwner;
  readonly #group: GroupId;
  #sequence: number;
  #stored: StoredHardState;

  private constructor(file: DiskFile, identity: Identity, sequence: number, stored: StoredHardState) {
    this.#file = file;
    this.#owner = ownerOf(identity);
    this.#group = identity.group;
    this.#sequence = sequence;
    this.#stored = stored;
  }

  /** Fills a new file with a term and no vote; it is not synced yet. */
  static format(file: DiskFile, identity: Identity, term: Term = NO_TERM): void {
    const hardState = new HardStateFile(file, identity, 1, {
      value: { term, votedFor: null },
      voteLost: false,
    });
    file.writevSync([new Uint8Array(8192)], 0);
    hardState.write(0);
    hardState.write(1);
  }

  /**
   * Reads the slots and makes the winner durable in both. If the vote is lost (no valid slot, or a log that ends in a
   * later term than this knows of), that is stored too: a later start must not trust what was written since.
   */
  static recover(file: DiskFile, identity: Identity, lastTermOfLog: Term): HardStateFile {
    const slots = readSlots(file, ownerOf(identity));
    const winner = newestSlot(slots);
    const stored = decode(slots, winner);
    const isBehind = stored === null || stored.value.term < lastTermOfLog;
    const value = isBehind ? { term: lastTermOfLog, votedFor: null } : stored.value;
    const voteLost = isBehind || stored.voteLost;
    const winning = winner === null ? null : slots[winner];
    const sequence = winning === null ? 1 : slotSequence(winning);
    const hardState = new HardStateFile(file, identity, sequence, { value, voteLost });
    // The winner's slot first: it may exist only in the page cache, and the other one must stay whole until it does not.
    const first = winner ?? 0;
    for (const slot of [first, other(first)] as const) {
      hardState.write(slot);
      file.datasyncSync();
    }
    return hardState;
  }

  /** The slots of a file that is not to be touched: what `recover` would find, or null if no slot is valid. */
  static peek(
    file: DiskFile,
    identity: Identity,
  ): (StoredHardState & { readonly validSlots: number }) | null {
    const slots = readSlots(file, ownerOf(identity));
    const stored = decode(slots, newestSlot(slots));
    return stored === null ? null : { ...stored, validSlots: slots.filter((slot) => slot !== null).length };
  }

  get value(): HardState {
    return this.#stored.value;
  }

  get isTrusted(): boolean {
    return !this.#stored.voteLost;
  }

  /** Takes a new value. It must be written to slot 0, synced, written to slot 1, synced, in this order. */
  set(value: HardState): void {
    assert(
      value.term >= this.value.term,
      () => `hard state would go back from term ${this.value.term} to ${value.term}`,
    );
    this.#sequence += 1;
    this.#stored = { value, voteLost: this.#stored.voteLost };
  }

  write(slot: SlotNumber): void {
    const { value, voteLost } = this.#stored;
    const bytes = encodeSlot(this.#owner, this.#sequence, (view) => {
      writeUint53(view, HARD_STATE.term, value.term);
      view.setUint32(HARD_STATE.group, this.#group, true);
      view.setUint8(HARD_STATE.flags, voteLost ? HARD_STATE_FLAG_VOTE_LOST : 0);
      const votedFor = value.votedFor ?? '';
      view.setUint8(HARD_STATE.votedForLength, votedFor.length);
      for (let at = 0; at < votedFor.length; at += 1)
        view.setUint8(HARD_STATE.votedFor + at, votedFor.charCodeAt(at));
    });
    writeSlot(this.#file, slot, bytes);
  }

  sync(done: Parameters<DiskFile['datasync']>[0]): void {
    this.#file.datasync(done);
  }

  closeSync(): void {
    this.#file.closeSync();
  }
}

function ownerOf(identity: Identity): SlotOwner {
  return { magic: HARD_STATE_MAGIC, incarnation: identity.incarnation };
}

function other(slot: SlotNumber): SlotNumber {
  return slot === 0 ? 1 : 0;
}

function decode(slots: SlotPair, winner: SlotNumber | null): StoredHardState | null {
  const slot = winner === null ? null : slots[winner];
  if (slot === null) return null;
  const length = slot.getUint8(HARD_STATE.votedForLength);
  let votedFor = '';
  for (let at = 0; at < length; at += 1)
    votedFor += String.fromCharCode(slot.getUint8(HARD_STATE.votedFor + at));
  return {
    value: {
      term: readUint53(slot, HARD_STATE.term, HardStateNumberError) as Term,
      votedFor: votedFor === '' ? null : (votedFor as NodeId),
    },
    voteLost: (slot.getUint8(HARD_STATE.flags) & HARD_STATE_FLAG_VOTE_LOST) !== 0,
  };
}

/** Opens the hard state of a directory that was made before. */
export function openHardState(
  disk: Disk,
  directory: string,
  identity: Identity,
  lastTerm: Term,
): HardStateFile {
  const path = join(directory, HARD_STATE_NAME);
  let file: DiskFile;
  if (disk.existsSync(path)) file = disk.openSync(path, 'write');
  else {
    // It was there when the directory was made: the vote is lost, and an empty file says so.
    file = disk.openSync(path, 'create');
    file.datasyncSync();
    disk.syncDirectorySync(directory);
  }
  return HardStateFile.recover(file, identity, lastTerm);
}
