import { decodeProduceResults, encodeProduce, type ProduceResult } from '../wire/broker-codec.ts';
import { decodeError } from '../wire/errors.ts';
import { FrameKind, type Frame } from '../wire/frame.ts';
import type { HelloAck } from '../wire/handshake.ts';
import { WireError } from '../wire/wire-error.ts';
import type { Endpoint } from './endpoint.ts';
import { LeaderLink, type ClientPorts } from './leader-link.ts';
import type { MakeProducerLink, ProducerLinkHandlers } from './producer-link.ts';

/** Request ids of one lane on one connection: when they are used up the connection is replaced. */
const LANE_IDS = 2 ** 20;
const LANES_MAX = 2 ** 12;

interface Lane {
  readonly handlers: ProducerLinkHandlers;
  isOpen: boolean;
}

/**
 * One connection to the leader for the producers of many queues. Each has a lane: a range of request ids of its own, by
 * which its answers are told from those of the others.
 */
export class TopicLink {
  readonly #link: LeaderLink;
  readonly #lanes: Lane[] = [];
  /** Of the present connection; null while there is none. */
  #ack: HelloAck | null = null;

  constructor(
    options: { readonly endpoints: readonly Endpoint[]; readonly clusterId: string | null },
    ports: ClientPorts,
  ) {
    this.#link = new LeaderLink({ ...options, wants: 'leader' }, ports, {
      onUp: (_session, ack) => {
        this.#ack = ack;
        this.#each((lane) => lane.onUp(ack));
      },
      onFrame: (frame) => this.#onFrame(frame),
      onDown: () => {
        this.#ack = null;
        this.#each((lane) => lane.onDown());
      },
      onRefused: (refusal) => this.#each((lane) => lane.onRefused(refusal)),
    });
  }

  get isFull(): boolean {
    return this.#lanes.length >= LANES_MAX;
  }

  /** @param queue cluster-wide number of a topic's queue. */
  lane(queue: number): MakeProducerLink {
    return (handlers) => {
      const number = this.#lanes.length;
      const lane: Lane = { handlers, isOpen: false };
      this.#lanes.push(lane);
      const link = this.#link;
      return {
        get session() {
          return lane.isOpen ? link.session : null;
        },
        get tried() {
          return link.tried;
        },
        requestIds: { first: number * LANE_IDS + 1, last: (number + 1) * LANE_IDS - 1 },
        encode: (requestId, request) => encodeProduce(requestId, { ...request, queue }),
        open: () => this.#open(lane),
        close: () => {
          lane.isOpen = false;
        },
        confirm: () => link.confirm(),
        redirect: (info) => link.redirect(info),
      };
    };
  }

  close(): void {
    this.#link.close();
  }

  #open(lane: Lane): void {
    const isNew = !lane.isOpen;
    lane.isOpen = true;
    if (this.#ack === null) this.#link.open();
    else if (isNew) lane.handlers.onUp(this.#ack);
  }

  #each(call: (handlers: ProducerLinkHandlers) => void): void {
    for (const lane of this.#lanes) if (lane.isOpen) call(lane.handlers);
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case FrameKind.PRODUCE_RESULTS:
        this.#onResults(decodeProduceResults(frame.body));
        return;
      case FrameKind.PRODUCER_OPENED:
        this.#of(frame.requestId)?.onOpened(frame.requestId, frame.body);
        return;
      case FrameKind.ERROR:
        this.#of(frame.requestId)?.onError(frame.requestId, decodeError(frame.body));
        return;
      default:
        throw new WireError('BAD_BODY', `a frame of kind ${frame.kind} answers no batch`);
    }
  }

  /** Each lane hears once of all its answers in a frame. */
  #onResults(results: readonly ProduceResult[]): void {
    const runs = new Map<ProducerLinkHandlers, Parameters<ProducerLinkHandlers['onStored']>[0][number][]>();
    for (const { requestId, index, term, baseOffset } of results) {
      const handlers = this.#of(requestId);
      if (handlers === null) continue;
      const run = { firstRequestId: requestId, count: 1, firstIndex: index, term, baseOffset };
      const others = runs.get(handlers);
      if (others === undefined) runs.set(handlers, [run]);
      else others.push(run);
    }
    for (const [handlers, its] of runs) handlers.onStored(its);
  }

  /** Null where nobody waits any more. */
  #of(requestId: number): ProducerLinkHandlers | null {
    const lane = this.#lanes[Math.floor(requestId / LANE_IDS)];
    if (lane === undefined) throw new WireError('BAD_BODY', `request ${requestId} was never made`);
    return lane.isOpen ? lane.handlers : null;
  }
}
