import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type {
  Connection,
  ConnectionHandler,
  ConnectRequest,
  ListenRequest,
  Network,
} from '../base/ports/network.ts';

/**
 * What one process sees of time and network, so that it can be stopped, continued and killed like a real one: while it
 * is stopped nothing reaches it, though time passes and its sockets fill; when it goes on, everything that waited comes
 * at once, in order. After its death nothing reaches it any more.
 */
export class SimulatedProcess {
  readonly clock: Clock;
  readonly network: Network;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  #waiting: (() => void)[] = [];

  constructor(clock: Clock, network: Network) {
    this.clock = {
      monotonicMs: () => clock.monotonicMs(),
      unixMs: () => clock.unixMs(),
      setTimer: (delayMs, callback): TimerHandle => {
        let cancelled = false;
        const timer = clock.setTimer(delayMs, () =>
          this.#reach(() => {
            if (!cancelled) callback();
          }),
        );
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
      defer: (callback) => clock.defer(() => this.#reach(callback)),
    };
    this.network = {
      listen: (request: ListenRequest) =>
        network.listen({
          ...request,
          // The kernel accepts for a stopped process; the connection is handed over when it goes on.
          onConnection: (connection) => this.#late(() => request.onConnection(connection)),
          onListening: (listener) => this.#reach(() => request.onListening(listener)),
          onError: (error) => this.#reach(() => request.onError(error)),
        }),
      connect: (request: ConnectRequest): Connection =>
        network.connect({ ...request, handler: this.#guarded(request.handler) }),
    };
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** SIGCONT. */
  continue(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) this.#reach(callback);
  }

  /** SIGKILL, as far as this process is concerned; its connections and disk are somebody else's to end. */
  kill(): void {
    this.#state = 'dead';
    this.#waiting = [];
  }

  #reach(callback: () => void): void {
    if (this.#state === 'running') callback();
    else if (this.#state === 'stopped') this.#waiting.push(callback);
  }

  #guarded(handler: ConnectionHandler): ConnectionHandler {
    return {
      onOpen: () => this.#reach(() => handler.onOpen?.()),
      onData: (bytes) => this.#reach(() => handler.onData(bytes)),
      onDrain: () => this.#reach(() => handler.onDrain?.()),
      onClose: (reason) => this.#reach(() => handler.onClose(reason)),
    };
  }

  /** A handler whose owner learns of the connection when it can. */
  #late(take: () => ConnectionHandler): ConnectionHandler {
    let handler: ConnectionHandler | null = null;
    this.#reach(() => {
      handler = take();
    });
    return this.#guarded({
      onData: (bytes) => handler?.onData(bytes),
      onDrain: () => handler?.onDrain?.(),
      onClose: (reason) => handler?.onClose(reason),
    });
  }
}
