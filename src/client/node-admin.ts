import { LIMITS } from '../wire/limits.ts';
import {
  decodeFaultReport,
  encodeFaultOrder,
  type FaultOrder,
  type FaultReport,
} from '../wire/fault-schema.ts';
import { FrameKind } from '../wire/frame.ts';
import { decodePeeked, encodePeek, type Peeked } from '../wire/peek-schema.ts';
import { decodeEvents, encodeGetEvents, type NodeEvent } from '../wire/watch-schema.ts';
import { parseEndpoints, type Endpoint } from './endpoint.ts';
import { RefusedError, TimeoutError, TimeoutUnknownError, type DledgerError } from './errors.ts';
import type { ClientPorts } from './leader-link.ts';
import { askNode, type NodeRequest } from './node-request.ts';
import { realPorts } from './real-ports.ts';

/** Orders and questions to one node, whether or not anybody leads. */
export class NodeAdmin {
  readonly #endpoint: Endpoint;
  readonly #timeoutMs: number;
  readonly #ports: ClientPorts;

  /** @param address host:port. @throws ArgumentError. */
  constructor(address: string, options: { readonly timeoutMs?: number; readonly ports?: ClientPorts } = {}) {
    this.#endpoint = parseEndpoints(address)[0] as Endpoint;
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#ports = options.ports ?? realPorts();
  }

  /**
   * Breaks something, for a while, at a node that was started to allow it; or tells what is broken, or mends it.
   * @throws RefusedError FAULT_REFUSED; TimeoutError; TimeoutUnknownError.
   */
  async fault(order: FaultOrder): Promise<FaultReport> {
    return this.#ask({ kind: FrameKind.FAULT, body: encodeFaultOrder(order), decode: decodeFaultReport });
  }

  /** What happened to the node, oldest first: the last `max` (1..1,000; default 1,000) behind a sequence number. */
  async events(after = 0, max: number = LIMITS.eventsMax): Promise<readonly NodeEvent[]> {
    const body = encodeGetEvents({ after, max });
    return (await this.#ask({ kind: FrameKind.GET_EVENTS, body, decode: decodeEvents })).events;
  }

  /** The end of its log as it is in memory, the last `max` entries (1..500), what is not committed included. */
  async peek(max: number): Promise<Peeked> {
    return this.#ask({ kind: FrameKind.PEEK, body: encodePeek({ max }), decode: decodePeeked });
  }

  async #ask<T>(request: Omit<NodeRequest<T>, 'timeoutMs'>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timed = { ...request, timeoutMs: this.#timeoutMs };
      askNode(this.#endpoint, null, timed, this.#ports, (error, answer) => {
        if (error === null) resolve(answer as T);
        else reject(errorOf(error));
      });
    });
  }
}

function errorOf(error: ConstructorParameters<typeof RefusedError>[0]): DledgerError {
  if (error.code === 'TIMEOUT') return new TimeoutError(error.message);
  if (error.code === 'TIMEOUT_UNKNOWN') return new TimeoutUnknownError(error.message);
  return new RefusedError(error);
}
