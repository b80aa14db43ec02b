import { batchStamp, decodeBatch, type ProducerStamp } from '../../../src/base/batch.ts';
import type { Connection } from '../../../src/base/ports/network.ts';
import type { Entry } from '../../../src/base/entry.ts';
import type { Incarnation, LogIndex, NodeId, Term } from '../../../src/base/units.ts';
import type { SimulatedHost } from '../../../src/sim/simulated-network.ts';
import {
  decodeAppend,
  decodeRead,
  encodeAppendResults,
  encodeProducerOpened,
  encodeReadResult,
  encodeStatusResult,
  type ReadRequest,
} from '../../../src/wire/client-codec.ts';
import {
  encodeError,
  errorInfo,
  type ErrorCode,
  type ErrorHints,
  type ErrorInfo,
} from '../../../src/wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../../../src/wire/frame.ts';
import { FrameParser } from '../../../src/wire/frame-parser.ts';
import { decodeHello, encodeHelloAck, type Hello, type HelloAck } from '../../../src/wire/handshake.ts';
import { LIMITS } from '../../../src/wire/limits.ts';
import type { GroupStatus, NodeStatus } from '../../../src/wire/status-schema.ts';

export const PORT = 7100;
export const CLUSTER_ID = 'c0ffee00c0ffee00c0ffee00c0ffee00';

/** How a node answers a greeting: with what differs from a leader's, with a refusal, with bytes, or not at all. */
export type Greeting = Partial<HelloAck> | { readonly refusal: ErrorInfo } | Uint8Array | 'silence';

/** A node that speaks the real frames and has no log: what it answers is up to the test. */
export class ScriptedNode {
  readonly id: NodeId;
  readonly sessions: ScriptedSession[] = [];
  readonly hellos: Hello[] = [];
  greeting: (hello: Hello) => Greeting = () => ({});
  /** Told about each request. By default it waits for ever. */
  onRequest: (request: ScriptedRequest) => void = () => undefined;
  /** Requests in the order in which they came, on whatever connection. */
  readonly requests: ScriptedRequest[] = [];
  answersPings = true;

  constructor(host: SimulatedHost, id: string) {
    this.id = id as NodeId;
    host.listen({
      host: id,
      port: PORT,
      onConnection: (connection) => {
        const session = new ScriptedSession(this, connection);
        this.sessions.push(session);
        return session;
      },
      onListening: () => undefined,
      onError: (error) => {
        throw error;
      },
    });
  }

  get address(): string {
    return `${this.id}:${PORT}`;
  }

  get appends(): ScriptedRequest[] {
    return this.requests.filter((request) => request.frame.kind === FrameKind.APPEND);
  }

  /** What appends asked for, as text. */
  get appended(): string[] {
    return this.appends.map((request) => request.texts.join('+'));
  }

  /** Answers as a node that leads and stores everything: from index 10 on, or as `indexOf` says. */
  lead(indexOf: (stamp: ProducerStamp) => number = (stamp) => 9 + stamp.sequence): void {
    this.greeting = () => ({});
    this.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      else if (request.frame.kind === FrameKind.APPEND) request.stored(indexOf(request.stamp));
    };
  }

  /** Answers as a node that follows this one, or nobody. */
  follow(leader: ScriptedNode | null): void {
    const hints = { leaderId: leader?.id ?? null, leaderAddress: leader?.address ?? null };
    this.greeting = () => hints;
    this.onRequest = (request) => request.failed(leader === null ? 'NO_LEADER' : 'NOT_LEADER', hints);
  }

  ack(changes: Partial<HelloAck>): HelloAck {
    return {
      protocolVersion: 1,
      clusterId: CLUSTER_ID,
      nodeId: this.id,
      incarnation: 1 as Incarnation,
      bootId: 1,
      priority: 0,
      softwareVersion: 'test',
      leaderId: this.id,
      leaderAddress: this.address,
      limits: { batchBytesMax: LIMITS.batchBytesMax, recordBytesMax: LIMITS.recordBytesMax, inFlightMax: 64 },
      durability: 'quorum-sync',
      ...changes,
    };
  }
}

/** One connection to it. */
export class ScriptedSession {
  readonly node: ScriptedNode;
  readonly connection: Connection;
  readonly #parser: FrameParser;
  isOpen = true;
  /** Deliveries of bytes after the greeting: a client that writes once a turn makes one of them for all of it. */
  deliveries = 0;
  pings = 0;
  #isGreeted = false;

  constructor(node: ScriptedNode, connection: Connection) {
    this.node = node;
    this.connection = connection;
    this.#parser = new FrameParser({ bodyBytesMax: LIMITS.clientFrameBytesMax }, (frame) =>
      this.#onFrame(frame),
    );
  }

  onData(data: Uint8Array): void {
    if (this.#isGreeted) this.deliveries += 1;
    this.#parser.push(data);
  }

  onClose(): void {
    this.isOpen = false;
  }

  write(kind: FrameKind, requestId: number, chunks: readonly Uint8Array[]): void {
    this.connection.write(encodeFrame(kind, requestId, chunks));
  }

  /** Acknowledges `count` requests from this id on, at indexes from this one on. */
  storedRun(firstRequestId: number, count: number, firstIndex: number, term = 3): void {
    const run = { firstRequestId, count, firstIndex: firstIndex as LogIndex, term: term as Term };
    this.write(FrameKind.APPEND_RESULTS, 0, [encodeAppendResults([run])]);
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === FrameKind.HELLO) {
      this.#greet(decodeHello(frame.body));
    } else if (frame.kind === FrameKind.PING) {
      this.pings += 1;
      if (this.node.answersPings) this.write(FrameKind.PONG, 0, []);
    } else {
      const request = new ScriptedRequest(this, frame);
      this.node.requests.push(request);
      this.node.onRequest(request);
    }
  }

  #greet(hello: Hello): void {
    this.node.hellos.push(hello);
    const greeting = this.node.greeting(hello);
    if (greeting === 'silence') return;
    if (greeting instanceof Uint8Array) this.connection.write([greeting]);
    else if ('refusal' in greeting) this.write(FrameKind.ERROR, 0, [encodeError(greeting.refusal)]);
    else this.write(FrameKind.HELLO_ACK, 0, [encodeHelloAck(this.node.ack(greeting))]);
    this.#isGreeted = true;
  }
}

export class ScriptedRequest {
  readonly session: ScriptedSession;
  readonly frame: Frame;

  constructor(session: ScriptedSession, frame: Frame) {
    this.session = session;
    this.frame = frame;
  }

  get id(): number {
    return this.frame.requestId;
  }

  get stamp(): ProducerStamp {
    return batchStamp(decodeAppend(this.frame).batch);
  }

  get texts(): string[] {
    return decodeBatch(decodeAppend(this.frame).batch).map((record) => new TextDecoder().decode(record));
  }

  get deadlineMs(): number {
    return decodeAppend(this.frame).deadlineMs;
  }

  get read(): ReadRequest {
    return decodeRead(this.frame.body);
  }

  opened(producerId: number): void {
    this.session.write(FrameKind.PRODUCER_OPENED, this.id, [encodeProducerOpened({ producerId, epoch: 1 })]);
  }

  stored(index: number, term = 3): void {
    this.session.storedRun(this.id, 1, index, term);
  }

  failed(code: ErrorCode, hints: Partial<ErrorHints> = {}): void {
    this.session.write(FrameKind.ERROR, this.id, [encodeError(errorInfo(code, `because of ${code}`, hints))]);
  }

  page(result: { commitIndex: number; nextIndex: number; entries?: readonly Entry[] }): void {
    const { commitIndex, nextIndex, entries = [] } = result;
    this.session.write(FrameKind.READ_RESULT, this.id, [
      ...encodeReadResult({
        firstIndex: 1 as LogIndex,
        commitIndex: commitIndex as LogIndex,
        nextIndex: nextIndex as LogIndex,
        entries,
      }),
    ]);
  }

  status(changes: Partial<NodeStatus>, group: Partial<GroupStatus> = {}): void {
    const status = statusOf(this.session.node, changes, group);
    this.session.write(FrameKind.STATUS_RESULT, this.id, [encodeStatusResult(status)]);
  }
}

function statusOf(node: ScriptedNode, changes: Partial<NodeStatus>, group: Partial<GroupStatus>): NodeStatus {
  return {
    nodeId: node.id,
    incarnation: 1,
    bootId: Number(node.id.replace(/\D/g, '')),
    clusterId: CLUSTER_ID,
    version: 'test',
    durability: 'quorum-sync',
    address: node.address,
    startedAtMs: 0,
    groups: [
      {
        group: 1,
        role: 'follower',
        term: 3,
        votedFor: null,
        leaderId: null,
        firstIndex: 1,
        lastIndex: 10,
        lastTerm: 3,
        durableIndex: 10,
        commitIndex: 10,
        appliedIndex: 10,
        members: [],
        eligible: true,
        ineligibleWhy: null,
        progress: [],
        lastElection: null,
        ...group,
      },
    ],
    counters: {},
    unsafe: [],
    pace: { syncMs: null, commitMs: null, loopDelayMs: null },
    disk: null,
    allowsFaults: false,
    faults: [],
    snapshots: [],
    ...changes,
  };
}
