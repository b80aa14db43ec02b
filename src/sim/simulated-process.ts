import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import type {
  Connection,
  ConnectionHandler,
  ConnectRequest,
  ListenRequest,
  Network,
} from '../base/ports/network.ts';

import { SimulatedCrash } from './crashable-disk.ts';

/** The clock of a machine, which is never quite right. */
export interface Oscillator {
  /** Of its milliseconds to a true one. */
  readonly rate: number;
  /** How far its calendar is off; may jump. */
  unixOffsetMs: number;
}

const TRUE_TIME: Oscillator = { rate: 1, unixOffsetMs: 0 };

/**
 * What one process sees of time, network and disk, so that it can be stopped, continued and killed like a real one: while it
 * is stopped nothing reaches it, though time passes and its sockets fill; when it goes on, everything that waited comes
 * at once, in order. After its death nothing reaches it any more.
 */
export class SimulatedProcess {
  readonly clock: Clock;
  readonly network: Network;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  #waiting: (() => void)[] = [];

  constructor(clock: Clock, network: Network, oscillator: Oscillator = TRUE_TIME) {
    const { rate } = oscillator;
    this.clock = {
      monotonicMs: () => clock.monotonicMs() * rate,
      unixMs: () => clock.unixMs() + oscillator.unixOffsetMs,
      setTimer: (delayMs, callback): TimerHandle => {
        let cancelled = false;
        const timer = clock.setTimer(delayMs / rate, () =>
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

  /**
   * A disk as this process sees it: it works on while the process stands still, but that something is done, the process
   * learns when it goes on.
   */
  onDisk(disk: Disk): Disk {
    return {
      openSync: (path, mode) => this.#guardedFile(disk.openSync(path, mode)),
      existsSync: (path) => disk.existsSync(path),
      listSync: (path) => disk.listSync(path),
      mkdirSync: (path) => disk.mkdirSync(path),
      renameSync: (from, to) => disk.renameSync(from, to),
      unlinkSync: (path) => disk.unlinkSync(path),
      syncDirectorySync: (path) => disk.syncDirectorySync(path),
      spaceSync: (path) => disk.spaceSync(path),
      lockDirectorySync: (path) => disk.lockDirectorySync(path),
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
    if (this.#state === 'stopped') this.#waiting.push(callback);
    if (this.#state !== 'running') return;
    try {
      callback();
    } catch (error) {
      // It died in the middle of what it was doing; what it had begun ends here.
      if (!(error instanceof SimulatedCrash) || !this.#isDead) throw error;
    }
  }

  get #isDead(): boolean {
    return this.#state === 'dead';
  }

  #guardedFile(file: DiskFile): DiskFile {
    return {
      path: file.path,
      size: () => file.size(),
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position, done) =>
        file.read(target, position, (error, bytes) => this.#reach(() => done(error, bytes))),
      writevSync: (chunks, position) => file.writevSync(chunks, position),
      write: (chunk, position, done) =>
        file.write(chunk, position, (error) => this.#reach(() => done(error))),
      datasync: (done) => file.datasync((error) => this.#reach(() => done(error))),
      datasyncSync: () => file.datasyncSync(),
      closeSync: () => file.closeSync(),
    };
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
