import type { LogIndex, Term } from '../base/units.ts';
import { decodeAppendResults, encodeAppend, type Append } from '../wire/client-codec.ts';
import { decodeError, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, type Frame } from '../wire/frame.ts';
import type { HelloAck } from '../wire/handshake.ts';
import { WireError } from '../wire/wire-error.ts';
import type { Endpoint } from './endpoint.ts';
import { LeaderLink, type ClientPorts } from './leader-link.ts';
import type { Session } from './session.ts';

/** The way of one producer's batches to the leader: a connection of its own, or a lane of one that several share. */
export interface ProducerLink {
  /** While there is one with the leader. */
  readonly session: Session | null;
  /** What each address answered last, for messages to people. */
  readonly tried: string;
  /** Request ids that are this producer's on each connection. */
  readonly requestIds: { readonly first: number; readonly last: number };
  /** @returns the chunks of one whole frame. */
  encode(requestId: number, request: Append): Uint8Array[];
  open(): void;
  close(): void;
  /** The node did what was asked: it is the right one. */
  confirm(): void;
  /** The node does not lead (any more). */
  redirect(info: ErrorInfo): void;
}

/** Batches of consecutive request ids that lie behind each other in the log. */
export interface StoredRun {
  readonly firstRequestId: number;
  readonly count: number;
  readonly firstIndex: LogIndex;
  readonly term: Term;
  /** Of the first record in its queue; null in the raw log. A run with an offset is of one batch. */
  readonly baseOffset: number | null;
}

export interface ProducerLinkHandlers {
  onUp(ack: HelloAck): void;
  onDown(): void;
  /** Every endpoint refuses this client for what it is. */
  onRefused(refusal: ErrorInfo): void;
  /** @param body of PRODUCER_OPENED. */
  onOpened(requestId: number, body: Uint8Array): void;
  onStored(runs: readonly StoredRun[]): void;
  onError(requestId: number, info: ErrorInfo): void;
}

export type MakeProducerLink = (handlers: ProducerLinkHandlers) => ProducerLink;

export interface AppendLinkOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clusterId: string | null;
  /** Request ids of one connection: when they are used up it is replaced. At most 2^32-1. */
  readonly requestIdMax: number;
}

/** To the raw log, over a connection of its own. */
export function appendLink(options: AppendLinkOptions, ports: ClientPorts): MakeProducerLink {
  const { endpoints, clusterId, requestIdMax } = options;
  return (handlers) => {
    const link = new LeaderLink({ endpoints, clusterId, wants: 'leader' }, ports, {
      onUp: (_session, ack) => handlers.onUp(ack),
      onFrame: (frame) => onFrame(frame, handlers),
      onDown: () => handlers.onDown(),
      onRefused: (refusal) => handlers.onRefused(refusal),
    });
    return {
      get session() {
        return link.session;
      },
      get tried() {
        return link.tried;
      },
      requestIds: { first: 1, last: requestIdMax },
      encode: encodeAppend,
      open: () => link.open(),
      close: () => link.close(),
      confirm: () => link.confirm(),
      redirect: (info) => link.redirect(info),
    };
  };
}

function onFrame(frame: Frame, handlers: ProducerLinkHandlers): void {
  switch (frame.kind) {
    case FrameKind.APPEND_RESULTS:
      handlers.onStored(decodeAppendResults(frame.body).map((run) => ({ ...run, baseOffset: null })));
      return;
    case FrameKind.PRODUCER_OPENED:
      handlers.onOpened(frame.requestId, frame.body);
      return;
    case FrameKind.ERROR:
      handlers.onError(frame.requestId, decodeError(frame.body));
      return;
    default:
      throw new WireError('BAD_BODY', `a frame of kind ${frame.kind} answers no append`);
  }
}
