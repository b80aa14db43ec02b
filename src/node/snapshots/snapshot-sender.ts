import { mark } from '../../base/marks.ts';
import type { InstallSnapshotResponse } from '../../base/peer-message.ts';
import type { Clock } from '../../base/ports/clock.ts';
import { DiskError } from '../../base/ports/disk.ts';
import type { LogIndex, NodeId } from '../../base/units.ts';
import type { RaftCore, SnapshotWanted } from '../../raft/index.ts';
import { isSame, type SnapshotFile } from '../../wal/index.ts';
import type { SnapshotStatus } from '../../wire/status-schema.ts';
import type { Announce } from '../announcement.ts';

export interface SnapshotSenderParts {
  readonly core: RaftCore;
  readonly clock: Clock;
  /** The checkpoint that this log begins behind; null if there is none that can be sent. @throws DiskError */
  readonly open: () => SnapshotFile | null;
  /** This one does not verify. */
  readonly onDamaged: (index: LogIndex) => void;
  /** Of all transfers together. */
  readonly bytesPerSecondMax: number;
  readonly enter: () => void;
  readonly event: Announce;
}

const PIECE_BYTES_MAX: number = 256 * 1024;
const PIECE_BYTES_MIN = 512;
/** Pieces sent ahead of answers. */
const WINDOW_PIECES = 4;
/** Without an answer for so long, the follower is asked how far it is. */
const ASK_AGAIN_MS = 300;
/** What is not used up of the rate is kept for so long. */
const BURST_MS = 50;
/** The log behind a snapshot that takes longer is not kept for its sake: then it is sent anew. */
const HOLD_MS = 300_000;

interface Transfer {
  wanted: SnapshotWanted;
  readonly file: SnapshotFile;
  /** The follower lacks the snapshot from here on. */
  acknowledged: number;
  sent: number;
  /** It was asked how far it is: nothing is sent before it has answered. */
  isAsking: boolean;
  isReading: boolean;
  isVerified: boolean;
  readonly startedMs: number;
  lastHeardMs: number;
}

const NOTHING = new Uint8Array(0);

/**
 * The leader's side of a snapshot: sends the checkpoint that its log begins behind to followers that need what was
 * before. The core decides to whom and for how long; here is how: in pieces, some ahead of the answers, no faster than allowed, and
 * after every doubt from where the follower says it is.
 */
export class SnapshotSender {
  readonly #parts: SnapshotSenderParts;
  readonly #pieceBytes: number;
  readonly #transfers = new Map<NodeId, Transfer>();
  #allowance = 0;
  #allowedAtMs = 0;
  #sentBytes = 0;
  #hasSaidMissing = false;

  constructor(parts: SnapshotSenderParts) {
    this.#parts = parts;
    // Slow as it may be, it must be seen to move.
    const { bytesPerSecondMax } = parts;
    this.#pieceBytes = Math.max(
      PIECE_BYTES_MIN,
      Math.min(PIECE_BYTES_MAX, Math.floor(bytesPerSecondMax / 20)),
    );
  }

  get status(): SnapshotStatus[] {
    return [...this.#transfers].map(([peer, { file, acknowledged }]) => ({
      direction: 'out',
      peer,
      index: file.id.lastIncludedIndex,
      bytes: file.id.bytes,
      doneBytes: acknowledged,
    }));
  }

  /** Sent by this process. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** The oldest snapshot under way, for so long as the log behind it is worth keeping. Null if none is. */
  get oldestIndex(): LogIndex | null {
    const nowMs = this.#parts.clock.monotonicMs();
    let oldest: LogIndex | null = null;
    for (const { file, startedMs } of this.#transfers.values()) {
      if (nowMs - startedMs > HOLD_MS) continue;
      const { lastIncludedIndex } = file.id;
      if (oldest === null || lastIncludedIndex < oldest) oldest = lastIncludedIndex;
    }
    return oldest;
  }

  onWanted(wanted: SnapshotWanted): void {
    const known = this.#transfers.get(wanted.to);
    const { core } = this.#parts;
    if (known !== undefined && known.file.id.lastIncludedIndex >= core.firstIndex - 1) {
      mark('node.snapshot-resumed');
      known.wanted = wanted;
      if (known.isVerified) this.#ask(known);
      return;
    }
    if (known !== undefined) this.#end(known);
    const file = this.#open();
    if (file === null) {
      this.#sayMissing(wanted.to);
      core.snapshotFailed(wanted);
      return;
    }
    this.#hasSaidMissing = false;
    const transfer: Transfer = {
      wanted,
      file,
      acknowledged: 0,
      sent: 0,
      isAsking: false,
      isReading: false,
      isVerified: false,
      startedMs: this.#parts.clock.monotonicMs(),
      lastHeardMs: this.#parts.clock.monotonicMs(),
    };
    this.#transfers.set(wanted.to, transfer);
    this.#verify(transfer);
  }

  onAnswer({ from, snapshot, offset, installed }: InstallSnapshotResponse): void {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined || !isSame(transfer.file.id, snapshot)) return;
    transfer.lastHeardMs = this.#parts.clock.monotonicMs();
    if (installed) {
      this.#done(transfer);
      return;
    }
    // It has less than before if it was started again, and not more than before if what was sent is lost.
    const isStuck = transfer.isAsking && offset <= transfer.acknowledged;
    if (isStuck || offset < transfer.acknowledged || offset > transfer.sent) transfer.sent = offset;
    transfer.acknowledged = offset;
    transfer.isAsking = false;
    this.#pump(transfer);
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    if (this.#transfers.size === 0) {
      this.#allowedAtMs = nowMs;
      return;
    }
    const { bytesPerSecondMax } = this.#parts;
    const burst = Math.max(this.#pieceBytes, (bytesPerSecondMax * BURST_MS) / 1000);
    const gained = (bytesPerSecondMax * (nowMs - this.#allowedAtMs)) / 1000;
    this.#allowance = Math.min(burst, this.#allowance + gained);
    this.#allowedAtMs = nowMs;
    for (const transfer of this.#transfers.values()) {
      if (!transfer.isVerified) continue;
      if (nowMs - transfer.lastHeardMs < ASK_AGAIN_MS) this.#pump(transfer);
      else {
        transfer.lastHeardMs = nowMs;
        this.#ask(transfer);
      }
    }
  }

  close(): void {
    for (const transfer of this.#transfers.values()) this.#end(transfer);
  }

  #open(): SnapshotFile | null {
    try {
      return this.#parts.open();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#sayUnreadable(error.message);
      return null;
    }
  }

  /** What has rotted is not sent: the follower would take it in whole to find that out. */
  #verify(transfer: Transfer): void {
    transfer.file.verify((error, isGood) => {
      this.#parts.enter();
      if (!this.#isCurrent(transfer)) return;
      if (error === null && !isGood) this.#parts.onDamaged(transfer.file.id.lastIncludedIndex);
      if (error !== null || !isGood) {
        this.#fail(transfer, error?.message ?? 'the checkpoint does not verify');
        return;
      }
      transfer.isVerified = true;
      const { lastIncludedIndex: index, bytes } = transfer.file.id;
      const peer = transfer.wanted.to;
      this.#parts.event(
        'info',
        'snapshot-sending',
        `sending ${peer} the snapshot at index ${index} (${bytes} bytes)`,
        {
          peer,
          index,
          bytes,
        },
      );
      this.#ask(transfer);
    });
  }

  /** Asks how far the follower is. */
  #ask(transfer: Transfer): void {
    transfer.isAsking = true;
    this.#send(transfer, transfer.acknowledged, NOTHING);
  }

  #pump(transfer: Transfer): void {
    const { bytes } = transfer.file.id;
    const isAhead = transfer.sent - transfer.acknowledged >= WINDOW_PIECES * this.#pieceBytes;
    if (transfer.isAsking || transfer.isReading || isAhead) return;
    if (transfer.sent === bytes || this.#allowance <= 0) return;
    transfer.isReading = true;
    const offset = transfer.sent;
    transfer.file.read(offset, this.#pieceBytes, (error, data) => {
      this.#parts.enter();
      transfer.isReading = false;
      if (!this.#isCurrent(transfer)) return;
      if (error !== null || data.length === 0) {
        this.#fail(transfer, error?.message ?? `it ends at ${offset}`);
        return;
      }
      // The follower may have said meanwhile that it is somewhere else.
      if (transfer.sent === offset && !transfer.isAsking && this.#send(transfer, offset, data)) {
        transfer.sent += data.length;
        this.#allowance -= data.length;
        this.#sentBytes += data.length;
      }
      if (this.#isCurrent(transfer)) this.#pump(transfer);
    });
  }

  /** @returns false if the core does not want it any more: then the transfer is over. */
  #send(transfer: Transfer, offset: number, data: Uint8Array): boolean {
    const isWanted = this.#parts.core.sendSnapshot(transfer.wanted, {
      snapshot: transfer.file.id,
      offset,
      data,
    });
    if (!isWanted) this.#unwanted(transfer);
    return isWanted;
  }

  /** It may be there, and what the follower says of its log was heard before what it says of the snapshot. */
  #unwanted(transfer: Transfer): void {
    const { progress } = this.#parts.core.status();
    const matchIndex = progress.find(({ id }) => id === transfer.wanted.to)?.matchIndex ?? 0;
    if (matchIndex >= transfer.file.id.lastIncludedIndex) {
      this.#done(transfer);
      return;
    }
    mark('node.snapshot-abandoned');
    this.#end(transfer);
  }

  #done(transfer: Transfer): void {
    const { lastIncludedIndex: index, bytes } = transfer.file.id;
    const peer = transfer.wanted.to;
    this.#parts.event('info', 'snapshot-sent', `${peer} has the snapshot at index ${index}`, {
      peer,
      index,
      bytes,
    });
    this.#end(transfer);
  }

  #fail(transfer: Transfer, why: string): void {
    this.#end(transfer);
    this.#sayUnreadable(why);
    this.#parts.core.snapshotFailed(transfer.wanted);
  }

  /** Once until there is one: it is asked for with every heartbeat. */
  #sayMissing(peer: NodeId): void {
    if (this.#hasSaidMissing) return;
    this.#hasSaidMissing = true;
    this.#parts.event(
      'warn',
      'snapshot-missing',
      `${peer} needs a snapshot, and there is none that can be sent`,
      {
        peer,
      },
    );
  }

  #sayUnreadable(why: string): void {
    this.#parts.event('warn', 'snapshot-unreadable', `cannot read the snapshot for a follower: ${why}`, {});
  }

  #end(transfer: Transfer): void {
    transfer.file.close();
    this.#transfers.delete(transfer.wanted.to);
  }

  #isCurrent(transfer: Transfer): boolean {
    return this.#transfers.get(transfer.wanted.to) === transfer;
  }
}
