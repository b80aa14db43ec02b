import { mark } from '../../base/marks.ts';
import type { TimerHandle } from '../../base/ports/clock.ts';
import { DiskError, type DirectoryLock } from '../../base/ports/disk.ts';
import {
  outlineOnDisk,
  readIdentity,
  SegmentMender,
  WalRotError,
  type Identity,
  type MendingReport,
} from '../../wal/index.ts';
import { LIMITS } from '../../wire/limits.ts';
import type { Hello } from '../../wire/handshake.ts';
import type { NodeEvent } from '../../wire/watch-schema.ts';
import { EventJournal } from '../event-journal.ts';
import { NodeError } from '../errors.ts';
import { diskFailure } from '../failures.ts';
import type { NodePorts } from '../node-interface.ts';
import { asNodeId, hostPort, type NodeOptions } from '../options.ts';
import { PeerEntries } from './peer-entries.ts';
import { repairedNews, unrepairedNews } from './words.ts';

export interface RestorationHandlers {
  onEvent(event: NodeEvent): void;
  /** Something was put back: the log may open now. */
  onMended(): void;
  /** This damage is none that others can mend. */
  onHopeless(error: NodeError): void;
}

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 2000;

/**
 * Mends a log that does not open, before there is a node: what does not verify was durable and may have been acknowledged, so
 * this node takes no part in anything until it is back. It asks for as long as it takes: the others may be about to start.
 */
export class Restoration {
  readonly #options: NodeOptions;
  readonly #ports: NodePorts;
  readonly #handlers: RestorationHandlers;
  readonly #refusal: NodeError;
  readonly #rot: WalRotError;
  readonly #identity: Identity;
  readonly #lock: DirectoryLock;
  readonly #journal: EventJournal;
  readonly #source: PeerEntries;
  #mender: SegmentMender | null = null;
  #timer: TimerHandle | null = null;
  #retryMs = RETRY_MS_MIN;
  #told = '';
  #isOver = false;

  /**
   * @returns null if there is nobody to ask, or the damage is not in the blocks of a segment.
   * @throws DiskError
   */
  static of(
    refusal: NodeError,
    options: NodeOptions,
    ports: NodePorts,
    handlers: RestorationHandlers,
  ): Restoration | null {
    const { cause } = refusal;
    const isAlone = options.peers.every(({ id }) => id === options.id);
    if (!(cause instanceof WalRotError) || isAlone) return null;
    const { disk } = ports;
    const directory = options.dataDirectory;
    try {
      const identity = readIdentity(disk, directory);
      if (identity === null || outlineOnDisk(disk, directory, cause.place.file, identity) === null)
        return null;
      return new Restoration({ refusal, rot: cause, identity }, options, ports, handlers);
    } catch (error) {
      if (error instanceof WalRotError) return null;
      throw error;
    }
  }

  private constructor(
    { refusal, rot, identity }: { refusal: NodeError; rot: WalRotError; identity: Identity },
    options: NodeOptions,
    ports: NodePorts,
    handlers: RestorationHandlers,
  ) {
    this.#refusal = refusal;
    this.#rot = rot;
    this.#identity = identity;
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#lock = ports.disk.lockDirectorySync(options.dataDirectory);
    this.#journal = new EventJournal(ports.disk, ports.clock, options.dataDirectory);
    this.#source = new PeerEntries({
      network: ports.network,
      clock: ports.clock,
      enter: () => undefined,
      hello: () => this.#hello(),
      peers: () =>
        options.peers
          .filter(({ id }) => id !== options.id)
          .map(({ id, address }) => ({ id, address: hostPort(address) })),
    });
    const { file, position, index } = rot.place;
    const text = `${rot.message}; this node takes no part until it is put back from the other nodes`;
    this.#event('error', 'rot-found', text, { file, position, index });
    ports.clock.defer(() => this.#mend());
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#mender?.close();
    this.#source.close();
    this.#journal.close();
    this.#lock.release();
  }

  #mend(): void {
    if (this.#isOver) return;
    const { disk, clock } = this.#ports;
    const directory = this.#options.dataDirectory;
    const beganMs = clock.monotonicMs();
    try {
      const outline = outlineOnDisk(disk, directory, this.#rot.place.file, this.#identity);
      if (outline === null) {
        this.#give(this.#refusal);
        return;
      }
      this.#mender = new SegmentMender(disk, outline, this.#source, this.#options.mutations);
    } catch (error) {
      if (error instanceof WalRotError) this.#give(this.#refusal);
      else if (error instanceof DiskError) this.#give(diskFailure(error));
      else throw error;
      return;
    }
    this.#mender.run((error, report) => {
      this.#mender = null;
      if (error === null) this.#report(report, clock.monotonicMs() - beganMs);
      else this.#give(diskFailure(error));
    });
  }

  #report({ mended, left }: MendingReport, tookMs: number): void {
    for (const damage of mended) {
      mark('node.rot-repaired-at-start');
      this.#event(...repairedNews(damage, tookMs));
    }
    if (mended.length > 0) {
      // Whether that was enough, opening it tells: what is left may be no more than a torn write.
      this.stop();
      this.#handlers.onMended();
      return;
    }
    if (left === null) {
      // Every block verifies, and still the log does not open: that is none of what others can put back.
      this.#give(this.#refusal);
      return;
    }
    if (this.#told !== left.why) {
      this.#told = left.why;
      mark('node.rot-unrepaired');
      this.#event(...unrepairedNews(left, `. ${this.#refusal.next}`));
    }
    this.#timer = this.#ports.clock.setTimer(this.#retryMs, () => this.#mend());
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }

  #give(error: NodeError): void {
    this.stop();
    this.#handlers.onHopeless(error);
  }

  /** As a client that is no node: whoever is not in order yet has no say, and needs none to read. */
  #hello(): Hello {
    return {
      protocolVersion: LIMITS.protocolVersion,
      role: 'client',
      lane: 'none',
      clusterId: this.#identity.clusterId,
      nodeId: asNodeId(this.#options.id),
      incarnation: this.#identity.incarnation,
      bootId: 0,
      priority: 0,
      redirects: true,
      forwarded: true,
      softwareVersion: this.#options.softwareVersion,
      credentials: null,
    };
  }

  #event(level: NodeEvent['level'], code: string, text: string, fields: NodeEvent['fields']): void {
    this.#handlers.onEvent(this.#journal.add({ at: this.#ports.clock.unixMs(), level, code, text, fields }));
  }
}
