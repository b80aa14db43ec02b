import { batchBytes } from '../base/batch.ts';
import type { Configuration } from '../base/configuration.ts';
import type { Incarnation, NodeId } from '../base/units.ts';
import type { RaftCore } from '../raft/index.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { Hello, HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';
import type { NodeOptions } from './options.ts';

export interface IntroductionParts {
  readonly id: NodeId;
  readonly options: NodeOptions;
  readonly core: RaftCore;
  readonly incarnation: Incarnation;
  readonly bootId: number;
  readonly clusterId: () => string | null;
  readonly configuration: () => Configuration | null;
}

/** What a node says of itself, and of who leads. */
export class Introduction {
  readonly #parts: IntroductionParts;

  constructor(parts: IntroductionParts) {
    this.#parts = parts;
  }

  /** Where clients reach this node, host:port. */
  get clientAddress(): string {
    return this.#hintedAddress(this.#parts.id) ?? '';
  }

  helloAsPeer(lane: 'control' | 'bulk'): Hello {
    return {
      ...this.#self(),
      role: 'peer',
      lane,
      redirects: false,
      forwarded: false,
      credentials: null,
    };
  }

  /** To the leader, to pass on what clients of this node ask. */
  helloAsForwarder(): Hello {
    return { ...this.helloAsPeer('control'), role: 'client', lane: 'none', redirects: true, forwarded: true };
  }

  acknowledge(): HelloAck {
    const { id, options, core } = this.#parts;
    return {
      ...this.#self(),
      leaderId: core.leader,
      leaderAddress: core.leader === id ? this.clientAddress : this.leaderAddress,
      limits: {
        batchBytesMax: options.batchBytesMax,
        recordBytesMax: options.batchBytesMax - batchBytes(1, 0),
        inFlightMax: options.inFlightMax,
      },
      durability: options.durability,
    };
  }

  /** Where clients reach the leader, if another node leads and its address is known. */
  get leaderAddress(): string | null {
    const { id, core, configuration } = this.#parts;
    const { leader } = core;
    if (leader === null || leader === id) return null;
    const member = configuration()?.members.find((candidate) => candidate.id === leader);
    return member?.clientAddress ?? this.#hintedAddress(leader);
  }

  /** The error for what only a leader does. */
  notLeader(): ErrorInfo {
    const { id, core } = this.#parts;
    const { leader } = core;
    if (leader === null || leader === id)
      return errorInfo('NO_LEADER', `${id} knows no leader at the moment (term ${core.term})`);
    return errorInfo('NOT_LEADER', `${id} does not lead; ${leader} does`, {
      leaderId: leader,
      leaderAddress: this.leaderAddress,
    });
  }

  /** What either side of a greeting says of itself. */
  #self(): Omit<Hello, 'role' | 'lane' | 'redirects' | 'forwarded' | 'credentials'> & {
    readonly nodeId: NodeId;
  } {
    const { id, options, incarnation, bootId, clusterId } = this.#parts;
    return {
      protocolVersion: LIMITS.protocolVersion,
      clusterId: clusterId(),
      nodeId: id,
      incarnation,
      bootId,
      priority: options.priority,
      softwareVersion: options.softwareVersion,
    };
  }

  /** The operator's list of peers, which is where it starts from. */
  #hintedAddress(of: NodeId): string | null {
    return this.#parts.options.peers.find((peer) => peer.id === of)?.address ?? null;
  }
}
