import { assert } from '../base/assert.ts';
import type { Clock } from '../base/ports/clock.ts';
import type {
  ConnectRequest,
  Connection,
  ConnectionHandler,
  ListenRequest,
  Network,
} from '../base/ports/network.ts';
import type { Prng } from '../base/prng.ts';
import type { Medium, Pipe } from './pipe.ts';
import { SimulatedConnection, type Owner, type SimulatedConnectionOptions } from './simulated-connection.ts';

export interface SimulatedNetworkOptions {
  /** One way; drawn uniformly for each segment. Defaults 0.05 and 0.2, as on one machine. */
  readonly latencyMsMin?: number;
  readonly latencyMsMax?: number;
  /** Chance that a write arrives in pieces, and that each piece is cut again. Default 0. */
  readonly splitChance?: number;
  /** Told of what arrives where. */
  readonly onArrival?: (from: string, to: string, bytes: Uint8Array) => void;
}

const EPHEMERAL_PORT_FIRST = 40_000;

/**
 * A network in memory, under a virtual clock: hosts by name, connections as ordered streams with latency and
 * backpressure, ways that can be cut in one direction, processes that can be killed. Everything it does is drawn from
 * one prng, so the same seed gives the same run.
 */
export class SimulatedNetwork {
  readonly #medium: Medium;
  readonly #options: SimulatedConnectionOptions;
  readonly #hosts = new Map<string, SimulatedHost>();
  readonly #cuts = new Set<string>();
  /** Machines without power. */
  readonly #dark = new Set<string>();
  /** Milliseconds that a way takes longer, at most and at least. */
  readonly #clogs = new Map<string, { readonly msMin: number; readonly msMax: number }>();
  /** Chance that a segment is damaged on a way. */
  readonly #noise = new Map<string, number>();

  constructor(clock: Clock, prng: Prng, options: SimulatedNetworkOptions = {}) {
    const { latencyMsMin = 0.05, latencyMsMax = 0.2, splitChance = 0, onArrival = null } = options;
    assert(
      latencyMsMin >= 0 && latencyMsMax >= latencyMsMin,
      () => `latency from ${latencyMsMin} to ${latencyMsMax} ms`,
    );
    this.#options = { splitChance };
    this.#medium = {
      clock,
      prng,
      latencyMs: (from, to) => {
        const latencyMs = latencyMsMin + prng.fraction() * (latencyMsMax - latencyMsMin);
        const clog = this.#clogs.size === 0 ? undefined : this.#clogs.get(way(from, to));
        return clog === undefined
          ? latencyMs
          : latencyMs + clog.msMin + prng.fraction() * (clog.msMax - clog.msMin);
      },
      isDark: (name) => this.#dark.size > 0 && this.#dark.has(name),
      damaged: (from, to, bytes) => {
        const chance = this.#noise.size === 0 ? undefined : this.#noise.get(way(from, to));
        return chance !== undefined && prng.chance(chance) ? flipped(bytes, prng) : bytes;
      },
      onArrival,
      isCut: (from, to) => this.#cuts.size > 0 && this.#cuts.has(way(from, to)),
      stalled: new Set<Pipe>(),
    };
  }

  /**
   * The network as the process on this host sees it. After `kill` the same name gives a new process with nothing open;
   * what the old one still tries has no effect.
   */
  host(name: string): SimulatedHost {
    const present = this.#hosts.get(name);
    if (present?.isAlive === true) return present;
    const host = new SimulatedHost(name, this);
    this.#dark.delete(name);
    this.#hosts.set(name, host);
    return host;
  }

  /** Nothing gets from one host to the other any more; the way back stays. What is sent meanwhile arrives after `heal`. */
  cut(from: string, to: string): void {
    this.#cuts.add(way(from, to));
  }

  heal(from: string, to: string): void {
    if (!this.#cuts.delete(way(from, to))) return;
    for (const pipe of this.#medium.stalled) {
      if (pipe.from === from && pipe.to === to) pipe.resume();
    }
  }

  /** One way takes so much longer: jitter where the two differ much. */
  clog(from: string, to: string, msMin: number, msMax: number): void {
    this.#clogs.set(way(from, to), { msMin, msMax });
  }

  unclog(from: string, to: string): void {
    this.#clogs.delete(way(from, to));
  }

  /** Bits flip on one way, in this share of the segments, past whatever sums TCP makes. 0 ends it. */
  disturb(from: string, to: string, chance: number): void {
    if (chance > 0) this.#noise.set(way(from, to), chance);
    else this.#noise.delete(way(from, to));
  }

  healAll(): void {
    this.#cuts.clear();
    this.#clogs.clear();
    this.#noise.clear();
    for (const pipe of this.#medium.stalled) pipe.resume();
  }

  /** Resets every connection between two living processes, as a box between them might. */
  reset(one: string, other: string): void {
    for (const end of this.#hosts.get(one)?.ends ?? []) {
      if (end.remoteName === other) end.sever();
    }
  }

  /** The process on this host dies: its connections are reset, new ones refused, and its handlers hear nothing more. */
  kill(name: string): void {
    this.#hosts.get(name)?.die();
  }

  /** The machine loses its power: no reset is sent, and until its process starts again nothing there answers anybody. */
  goDark(name: string): void {
    this.#hosts.get(name)?.die(true);
    this.#dark.add(name);
  }

  /** For hosts of this network. */
  dial(from: SimulatedHost, request: ConnectRequest): Connection {
    const toAddress = `${request.host}:${request.port}`;
    return SimulatedConnection.dial(this.#medium, this.#options, {
      from,
      fromAddress: `${from.name}:${from.takePort()}`,
      to: request.host,
      toAddress,
      timeoutMs: request.timeoutMs,
      handler: request.handler,
      answer: (end) => this.#hosts.get(request.host)?.answer(request.port, end) ?? false,
    });
  }

  /** For hosts of this network: calls back in a turn of its own. */
  later(callback: () => void): void {
    this.#medium.clock.setTimer(0, callback);
  }
}

/** One process on the network. */
export class SimulatedHost implements Network, Owner {
  readonly name: string;
  readonly ends: Set<SimulatedConnection> = new Set<SimulatedConnection>();
  readonly #network: SimulatedNetwork;
  readonly #listeners = new Map<number, (connection: Connection) => ConnectionHandler>();
  #isAlive = true;
  #nextPort = EPHEMERAL_PORT_FIRST;

  constructor(name: string, network: SimulatedNetwork) {
    this.name = name;
    this.#network = network;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** `request.host` is not looked at: a host listens on its own name. */
  listen(request: ListenRequest): void {
    if (!this.#isAlive) return;
    const port = request.port === 0 ? this.takePort() : request.port;
    if (this.#listeners.has(port)) {
      const error: Error & { code?: string } = new Error(`port ${port} of ${this.name} is in use`);
      error.code = 'EADDRINUSE';
      this.#network.later(() => {
        if (this.#isAlive) request.onError(error);
      });
      return;
    }
    this.#listeners.set(port, request.onConnection);
    this.#network.later(() => {
      if (this.#isAlive) request.onListening({ port, close: () => this.#listeners.delete(port) });
    });
  }

  connect(request: ConnectRequest): Connection {
    return this.#network.dial(this, request);
  }

  takePort(): number {
    this.#nextPort += 1;
    return this.#nextPort - 1;
  }

  /** A call came. @returns false if nobody listens. */
  answer(port: number, end: SimulatedConnection): boolean {
    const onConnection = this.#listeners.get(port);
    if (onConnection === undefined) return false;
    end.accept(this, onConnection);
    return true;
  }

  die(isSilent = false): void {
    this.#isAlive = false;
    this.#listeners.clear();
    for (const end of this.ends) end.abandon(isSilent);
    this.ends.clear();
  }
}

/** A copy in which one to three bits are others. */
function flipped(bytes: Uint8Array, prng: Prng): Uint8Array {
  const copy = bytes.slice();
  for (let left = prng.between(1, 3); left > 0; left -= 1) {
    const at = prng.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << prng.below(8));
  }
  return copy;
}

function way(from: string, to: string): string {
  return `${from} ${to}`;
}
