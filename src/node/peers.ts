import { formatHostPort, type HostPort } from '../base/host-port.ts';
import { assert } from '../base/assert.ts';
import { findMember, type Configuration } from '../base/configuration.ts';
import { mark } from '../base/marks.ts';
import type { PeerMessage } from '../base/peer-message.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { Network } from '../base/ports/network.ts';
import type { Prng } from '../base/prng.ts';
import { isNodeId, type GroupId, type Incarnation, type NodeId } from '../base/units.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { Frame } from '../wire/frame.ts';
import type { Hello, HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';
import { decodePeerMessage, encodePeerMessage } from '../wire/peer-codec.ts';
import type { LinkFaults } from './fault-board.ts';
import type { InboundConnection, InboundOwner } from './inbound.ts';
import { PeerLink, type Lane } from './peer-link.ts';

export interface PeersHandlers {
  enter(): void;
  hello(lane: Lane): Hello;
  /** The configuration that the log has committed; null before the cluster is founded. */
  configuration(): Configuration | null;
  clusterId(): string | null;
  /** Those that the own cluster was recovered from. */
  replacedClusters(): readonly string[];
  identified(id: NodeId, incarnation: Incarnation, priority: number): void;
  /** A peer says that it belongs to a cluster, and this node does not. */
  clusterHeard(): void;
  reachable(id: NodeId, lane: Lane, up: boolean): void;
  /** This node's own proof that the process behind `id` is gone. */
  gone(id: NodeId, how: 'refused' | 'restarted'): void;
  message(message: PeerMessage): void;
  /** This node leads, or is led. */
  hasLeader(): boolean;
  /** A peer keeps refusing this node for what it is: it cannot take part. */
  turnedAway(by: NodeId, error: ErrorInfo): void;
  notice(code: string, text: string, fields: Record<string, string | number | boolean | null>): void;
}

interface Peer {
  readonly id: NodeId;
  readonly address: string;
  readonly place: HostPort;
  readonly links: Record<Lane, PeerLink>;
  /** Its connections to this node. */
  readonly inbound: Set<InboundConnection>;
  /** Who answered at this peer's own address, while that connection is up. Only this may bind an identity. */
  answered: { readonly incarnation: Incarnation; readonly bootId: number } | null;
  /** The incarnation whose messages are believed. */
  known: Incarnation | null;
  /** The cluster that it said it belongs to. */
  clusterId: string | null;
  roundTripMs: number | null;
  /** In a row, and since when. */
  refusals: number;
  refusedSinceMs: number;
  /** When the connections with it were last made anew because somebody else claimed to be this peer. */
  doubtedAtMs: number;
}

/** So many refusals in a row, over so long, are no passing state of a restart. */
const REFUSALS_FATAL = 4;
const REFUSALS_FATAL_MS = 2000;
const DOUBT_PAUSE_MS = 1000;

/** The other nodes: two lanes out to each, their lanes in, and who they are. */
export class Peers {
  readonly #self: NodeId;
  readonly #group: GroupId;
  readonly #handlers: PeersHandlers;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #byIndex: Peer[] = [];
  readonly #ports: { network: Network; clock: Clock; prng: Prng };
  readonly #faults: LinkFaults;
  #isOpen = false;

  constructor(
    self: NodeId,
    group: GroupId,
    addresses: readonly { readonly id: NodeId; readonly address: HostPort }[],
    ports: { network: Network; clock: Clock; prng: Prng },
    faults: LinkFaults,
    handlers: PeersHandlers,
  ) {
    this.#self = self;
    this.#group = group;
    this.#handlers = handlers;
    this.#ports = ports;
    this.#faults = faults;
    for (const { id, address } of addresses) this.learn(id, address);
  }

  /**
   * Makes the acquaintance of a member, if it is new: from the operator's list, or from the cluster's configuration,
   * which may name more than that list does.
   */
  learn(id: NodeId, address: HostPort): void {
    if (id === this.#self || this.#peers.has(id)) return;
    const control = this.#link(id, 'control', address);
    const bulk = this.#link(id, 'bulk', address);
    const peer: Peer = {
      id,
      address: formatHostPort(address),
      place: address,
      links: { control, bulk },
      inbound: new Set(),
      answered: null,
      known: null,
      roundTripMs: null,
      clusterId: null,
      refusals: 0,
      refusedSinceMs: 0,
      doubtedAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#peers.set(id, peer);
    this.#byIndex.push(peer);
    if (!this.#isOpen) return;
    control.open();
    bulk.open();
  }

  open(): void {
    this.#isOpen = true;
    for (const peer of this.#byIndex) {
      peer.links.control.open();
      peer.links.bulk.open();
    }
  }

  close(): void {
    for (const peer of this.#byIndex) {
      peer.links.control.close();
      peer.links.bulk.close();
    }
  }

  /** Queues a message on its lane; sent by `flush`. Lost if the lane is down, as on any network. */
  send(message: PeerMessage): void {
    const peer = this.#peers.get(message.to);
    // A member of a configuration that is not committed yet may be unknown so far.
    if (peer === undefined) return;
    const isBulk =
      message.type === 'InstallSnapshot' || (message.type === 'AppendEntries' && message.entries.length > 0);
    const lane: Lane = isBulk ? 'bulk' : 'control';
    const link = peer.links[lane];
    // Encoding is not for nothing even when the lane is down: skip it.
    if (!link.isUp) {
      mark('node.message-without-lane');
      return;
    }
    const frame = encodePeerMessage(message, this.#group);
    if (this.#faults.isQuiet) link.send(frame);
    else this.#sendFaulty(peer, lane, frame);
  }

  #sendFaulty(peer: Peer, lane: Lane, frame: readonly Uint8Array[]): void {
    const link = peer.links[lane];
    const bytes = frame.reduce((sum, chunk) => sum + chunk.length, 0);
    const delayMs = this.#faults.outbound(peer.id, lane, bytes);
    if (delayMs === 0) link.send(frame);
    if (delayMs === null || delayMs === 0) return;
    this.#ports.clock.setTimer(delayMs, () => {
      this.#handlers.enter();
      if (link.isUp) link.send(frame);
    });
  }

  /** Closes every connection with a peer; those to it are dialled anew. @returns how many there were. */
  breakLinks(id: NodeId): number {
    const { links, inbound } = this.#peer(id);
    const up = [links.control, links.bulk].filter((link) => link.isUp);
    for (const link of up) link.reset();
    const accepted = [...inbound];
    for (const connection of accepted) connection.close();
    return up.length + accepted.length;
  }

  /** Where each of them is. */
  get addresses(): { readonly id: NodeId; readonly address: HostPort }[] {
    return this.#byIndex.map(({ id, place }) => ({ id, address: place }));
  }

  has(id: NodeId): boolean {
    return this.#peers.has(id);
  }

  flush(): void {
    for (const peer of this.#byIndex) {
      peer.links.control.flush();
      peer.links.bulk.flush();
    }
  }

  resetBulkLane(id: NodeId): void {
    this.#peer(id).links.bulk.reset();
  }

  /** The cluster that a peer said it belongs to; null if it said nothing, or is no peer. */
  clusterOf(id: NodeId): string | null {
    return this.#peers.get(id)?.clusterId ?? null;
  }

  roundTripMs(id: NodeId): number | null {
    return this.#peers.get(id)?.roundTripMs ?? null;
  }

  counters(): Record<string, number> {
    let dropped = 0;
    let inbound = 0;
    for (const peer of this.#byIndex) {
      dropped += peer.links.control.dropped + peer.links.bulk.dropped;
      inbound += peer.inbound.size;
    }
    return { peerMessagesDropped: dropped, peerConnectionsIn: inbound };
  }

  /** Decides about a connection that says it comes from a peer. */
  admit(hello: Hello, connection: InboundConnection): InboundOwner | ErrorInfo {
    const refusal = this.#refusal(hello);
    if (refusal !== null) {
      this.#handlers.notice(
        'peer-refused',
        `refused ${hello.nodeId ?? 'a nameless peer'} at ${connection.remoteAddress}: ${refusal.message}`,
        {
          peer: hello.nodeId,
          reason: refusal.code,
        },
      );
      return refusal;
    }
    const peer = this.#peer(hello.nodeId as NodeId);
    const incarnation = hello.incarnation;
    if (peer.known !== incarnation) this.#believe(peer, incarnation, hello.priority);
    peer.clusterId = hello.clusterId;
    peer.inbound.add(connection);
    peer.links.control.hasten();
    peer.links.bulk.hasten();
    return {
      bodyBytesMax: LIMITS.peerFrameBytesMax,
      onFrame: (frame) => {
        this.#onFrame(peer, incarnation, frame);
        // Entries are views into the frame that brought them.
        return 'kept';
      },
      onDrain: () => undefined,
      onClose: () => {
        peer.inbound.delete(connection);
      },
    };
  }

  #refusal(hello: Hello): ErrorInfo | null {
    const id = hello.nodeId;
    if (id === null || !isNodeId(id)) return errorInfo('BAD_REQUEST', 'a peer must say its node id');
    const wrongCluster = this.#clusterRefusal(hello.clusterId);
    if (wrongCluster !== null) return wrongCluster;
    if (id === this.#self) {
      return errorInfo('DUPLICATE_NODE', `this process is ${id} already: two nodes were started with one id`);
    }
    const peer = this.#peers.get(id);
    if (peer === undefined) {
      return errorInfo(
        'WRONG_NODE',
        `${id} is not one of the members ${[this.#self, ...this.#peers.keys()].sort().join(', ')}`,
      );
    }
    if (this.#faults.refuses(id)) return errorInfo('OVERLOADED', `a fault on request refuses ${id}`);
    const isAnswering = peer.links.control.isAnswering || peer.links.bulk.isAnswering;
    if (isAnswering && peer.answered !== null && peer.answered.incarnation !== hello.incarnation) {
      mark('node.duplicate-node-refused');
      const refusal = errorInfo(
        'DUPLICATE_NODE',
        `another ${id} runs at ${peer.address} (incarnation ${peer.answered.incarnation}): two nodes were started with one id`,
      );
      this.#doubt(peer);
      return refusal;
    }
    const bound = this.#boundIncarnation(id);
    if (peer.answered?.incarnation !== hello.incarnation && bound !== null && bound !== hello.incarnation) {
      mark('node.unconfirmed-peer-refused');
      // A wiped disk, or an impostor: whoever answers at the configured address decides which.
      return errorInfo(
        'IDENTITY_MISMATCH',
        `${id} is bound to incarnation ${bound}, not ${hello.incarnation}; not reached at ${peer.address} yet to confirm the change`,
      );
    }
    return null;
  }

  /**
   * Two claim to be this peer. A connection whose other end lost its power looks alive for a while: dialled anew, the one
   * that answers at the peer's own address is right.
   */
  #doubt(peer: Peer): void {
    const now = this.#ports.clock.monotonicMs();
    if (now - peer.doubtedAtMs < DOUBT_PAUSE_MS) return;
    peer.doubtedAtMs = now;
    peer.links.control.reset();
    peer.links.bulk.reset();
  }

  #clusterRefusal(theirs: string | null): ErrorInfo | null {
    const ours = this.#handlers.clusterId();
    if (ours === null && theirs !== null) this.#handlers.clusterHeard();
    if (ours === null || theirs === null || ours === theirs) return null;
    if (this.#handlers.replacedClusters().includes(theirs)) {
      return errorInfo(
        'CLUSTER_REPLACED',
        `cluster ${theirs} was recovered by force, without the caller, and is cluster ${ours} now`,
      );
    }
    return errorInfo(
      'WRONG_CLUSTER',
      `${this.#self} belongs to cluster ${ours}, the caller to cluster ${theirs}`,
    );
  }

  #boundIncarnation(id: NodeId): Incarnation | null {
    const configuration = this.#handlers.configuration();
    const bound = configuration === null ? 0 : (findMember(configuration, id)?.incarnation ?? 0);
    return bound === 0 ? null : bound;
  }

  #onFrame(peer: Peer, incarnation: Incarnation, frame: Frame): void {
    const { group, message } = decodePeerMessage(frame);
    // A connection of an earlier incarnation that has not noticed its end yet has no say any more.
    if (peer.known !== incarnation || group !== this.#group) return;
    if (message.from !== peer.id || message.to !== this.#self) return;
    if (!this.#faults.isQuiet && this.#faults.losesInbound(peer.id)) return;
    this.#handlers.message(message);
  }

  #onAnswered(id: NodeId, _lane: Lane, ack: HelloAck): boolean {
    const peer = this.#peer(id);
    if (ack.nodeId !== id) {
      this.#handlers.notice('wrong-node', `${peer.address} should be ${id} but says it is ${ack.nodeId}`, {
        peer: id,
        says: ack.nodeId,
      });
      return false;
    }
    const wrongCluster = this.#clusterRefusal(ack.clusterId);
    if (wrongCluster !== null) {
      this.#handlers.notice(
        'wrong-cluster',
        `${id} at ${peer.address} is of another cluster: ${ack.clusterId}`,
        { peer: id },
      );
      return false;
    }
    if (this.#faults.refuses(id)) return false;
    peer.refusals = 0;
    peer.clusterId = ack.clusterId;
    const incarnation = ack.incarnation;
    peer.answered = { incarnation, bootId: ack.bootId };
    this.#believe(peer, incarnation, ack.priority);
    return true;
  }

  #believe(peer: Peer, incarnation: Incarnation, priority: number): void {
    peer.known = incarnation;
    this.#handlers.identified(peer.id, incarnation, priority);
  }

  #onLane(id: NodeId, lane: Lane, up: boolean): void {
    const peer = this.#peer(id);
    if (!up && !peer.links.control.isUp && !peer.links.bulk.isUp) {
      peer.answered = null;
      peer.roundTripMs = null;
    }
    this.#handlers.reachable(id, lane, up);
  }

  #onRefused(id: NodeId, _lane: Lane, error: ErrorInfo): void {
    const peer = this.#peer(id);
    const now = this.#ports.clock.monotonicMs();
    if (peer.refusals === 0) peer.refusedSinceMs = now;
    peer.refusals += 1;
    this.#handlers.notice('refused-by-peer', `${id} refuses this node: ${error.message}`, {
      peer: id,
      reason: error.code,
    });
    const configuration = this.#handlers.configuration();
    const isMember = configuration !== null && findMember(configuration, id) !== null;
    // Where a cluster is at work, a member that refuses this node is the one that is wrong.
    if (isMember && this.#handlers.hasLeader()) {
      peer.refusals = 0;
      return;
    }
    if (error.code === 'CLUSTER_REPLACED') this.#handlers.turnedAway(id, error);
    // Whoever was recovered by force meets members of what it was before.
    if (error.code === 'WRONG_CLUSTER' && this.#handlers.replacedClusters().length > 0) return;
    const forWhatWeAre =
      error.code === 'DUPLICATE_NODE' || error.code === 'WRONG_CLUSTER' || error.code === 'WRONG_NODE';
    const isLasting = peer.refusals >= REFUSALS_FATAL && now - peer.refusedSinceMs >= REFUSALS_FATAL_MS;
    if (forWhatWeAre && isLasting) this.#handlers.turnedAway(id, error);
  }

  #link(id: NodeId, lane: Lane, address: HostPort): PeerLink {
    return new PeerLink(id, lane, address, this.#ports, {
      enter: () => this.#handlers.enter(),
      hello: (asked) => this.#handlers.hello(asked),
      identified: (asked, ack) => this.#onAnswered(id, asked, ack),
      up: (changed) => this.#onLane(id, changed, true),
      down: (changed) => this.#onLane(id, changed, false),
      processGone: (how) => this.#handlers.gone(id, how),
      refused: (asked, error) => this.#onRefused(id, asked, error),
      roundTrip: (ms) => {
        this.#peer(id).roundTripMs = ms;
      },
    });
  }

  #peer(id: NodeId): Peer {
    const peer = this.#peers.get(id);
    assert(peer !== undefined, () => `${id} is no peer of ${this.#self}`);
    return peer;
  }
}
