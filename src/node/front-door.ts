import type { HostPort } from '../base/host-port.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Listener, Network } from '../base/ports/network.ts';
import type { NodeError } from './errors.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { Hello, HelloAck } from '../wire/handshake.ts';
import { ClientSession, type SessionServices } from './client-session.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import { listenFailure } from './failures.ts';
import { InboundConnection, type InboundOwner } from './inbound.ts';
import { TurnMemory } from './turn-memory.ts';

export interface FrontDoorParts {
  readonly id: string;
  readonly network: Network;
  readonly clock: Clock;
  readonly clientConnectionsMax: number;
  readonly mutations: Mutations;
  readonly enter: () => void;
  readonly isRunning: () => boolean;
  readonly clusterId: () => string | null;
  readonly acknowledge: () => HelloAck;
  /** Decides about a caller that says it is a peer. */
  readonly admitPeer: (hello: Hello, connection: InboundConnection) => InboundOwner | ErrorInfo;
  readonly services: () => Omit<SessionServices, 'dirty' | 'onGone'>;
  /** Nothing that came in this turn waits to be proposed. */
  readonly isUsedUp: () => boolean;
  readonly notice: (code: string, text: string, fields: NodeEvent['fields']) => void;
  readonly onListening: () => void;
  readonly onError: (error: NodeError) => void;
}

/** The one port for peers, clients and operators: who comes in, and as what. */
export class FrontDoor {
  readonly #parts: FrontDoorParts;
  readonly #inbound = new Set<InboundConnection>();
  readonly #sessions = new Set<ClientSession>();
  readonly #dirtySessions = new Set<ClientSession>();
  readonly #turnMemory = new TurnMemory();
  #listener: Listener | null = null;
  #badConnections = 0;

  constructor(parts: FrontDoorParts) {
    this.#parts = parts;
  }

  counters(): Record<string, number> {
    return { clientConnections: this.#sessions.size, badConnections: this.#badConnections };
  }

  open(listen: HostPort): void {
    const { network, clock, mutations, enter, notice, onListening, onError } = this.#parts;
    network.listen({
      host: listen.host,
      port: listen.port,
      onConnection: (connection) => {
        const inbound = new InboundConnection(connection, clock, {
          mutations,
          turnMemory: this.#turnMemory,
          enter,
          admit: (hello, from) => this.#admit(hello, from),
          onBadPeer: (remoteAddress, code, message) => {
            this.#badConnections += 1;
            notice('bad-connection', `closed a connection from ${remoteAddress}: ${message} (${code})`, {
              remoteAddress,
              code,
            });
          },
          onGone: (gone) => this.#inbound.delete(gone),
        });
        this.#inbound.add(inbound);
        return inbound;
      },
      onListening: (listener) => {
        this.#listener = listener;
        onListening();
      },
      onError: (error) => onError(listenFailure(error, listen)),
    });
  }

  /** End of the turn: what is queued for clients leaves, and what came from them goes. */
  flush(): void {
    if (this.#dirtySessions.size > 0) {
      for (const session of this.#dirtySessions) session.flush();
      this.#dirtySessions.clear();
    }
    this.#turnMemory.end(this.#parts.isUsedUp());
  }

  /** Nobody new; clients get what is queued for them, and a goodbye. */
  shut(): void {
    this.#listener?.close();
    for (const session of this.#sessions) session.close();
  }

  /** Ends every connection. */
  close(): void {
    this.#listener?.close();
    for (const connection of this.#inbound) connection.close();
  }

  #admit(
    hello: Hello,
    connection: InboundConnection,
  ): { owner: InboundOwner; ack: HelloAck } | { refusal: ErrorInfo } {
    const { id, isRunning, admitPeer, acknowledge } = this.#parts;
    if (!isRunning()) return { refusal: errorInfo('SHUTTING_DOWN', `${id} is stopping`) };
    const owner = hello.role === 'peer' ? admitPeer(hello, connection) : this.#admitClient(hello, connection);
    return 'code' in owner ? { refusal: owner } : { owner, ack: acknowledge() };
  }

  #admitClient(hello: Hello, connection: InboundConnection): InboundOwner | ErrorInfo {
    const { id, clientConnectionsMax, services } = this.#parts;
    const ours = this.#parts.clusterId();
    if (hello.clusterId !== null && ours !== null && hello.clusterId !== ours) {
      return errorInfo('WRONG_CLUSTER', `${id} belongs to cluster ${ours}, not to ${hello.clusterId}`);
    }
    if (this.#sessions.size >= clientConnectionsMax) {
      return errorInfo('OVERLOADED', `${this.#sessions.size} clients are connected already`);
    }
    const session = new ClientSession(hello, connection, {
      ...services(),
      dirty: (dirty) => this.#dirtySessions.add(dirty),
      onGone: (gone) => {
        this.#sessions.delete(gone);
        this.#dirtySessions.delete(gone);
      },
    });
    this.#sessions.add(session);
    return session;
  }
}
