import { Prng } from '../../../src/base/prng.ts';
import { connect, type Client, type ConnectOptions } from '../../../src/client/index.ts';
import type { Endpoint } from '../../../src/client/endpoint.ts';
import type { ClientPorts } from '../../../src/client/leader-link.ts';
import { ProducerCore, type ProducerOptions } from '../../../src/client/producer-core.ts';
import { appendLink } from '../../../src/client/producer-link.ts';
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../../src/sim/simulated-network.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';
import { PORT, ScriptedNode } from './scripted-node.ts';

/** A client, scripted nodes and a network between them, under one virtual clock. */
export class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: SimulatedNetwork;
  readonly #prng: Prng;

  constructor(seed = 1, options: SimulatedNetworkOptions = {}) {
    this.#prng = new Prng(seed);
    this.network = new SimulatedNetwork(this.clock, this.#prng.fork(), options);
  }

  ports(host = 'client'): ClientPorts {
    return { network: this.network.host(host), clock: this.clock, prng: this.#prng.fork() };
  }

  /** A node that listens and answers as it is told. */
  node(host: string): ScriptedNode {
    return new ScriptedNode(this.network.host(host), host);
  }

  producer(
    hosts: readonly string[],
    { requestIdMax = 0xffffffff, ...options }: Partial<ProducerOptions> & { requestIdMax?: number } = {},
  ): ProducerCore {
    const ports = this.ports();
    return new ProducerCore(
      {
        inFlightMax: 16,
        inFlightBytesMax: 1024 * 1024,
        queueMax: 1000,
        queueBytesMax: 16 * 1024 * 1024,
        ...options,
      },
      ports,
      appendLink({ endpoints: endpointsOf(hosts), clusterId: null, requestIdMax }, ports),
    );
  }

  async client(hosts: readonly string[], options: Partial<ConnectOptions> = {}): Promise<Client> {
    const endpoints = hosts.map((host) => `${host}:${PORT}`);
    return this.settle(connect({ endpoints, ports: this.ports(), ...options }));
  }

  /** Lets time pass until the condition holds. */
  until(condition: () => boolean, withinMs = 60_000): void {
    if (!this.clock.runUntil(condition, withinMs)) throw new Error(`not so within ${withinMs} ms`);
  }

  /** Lets time pass until the promise is settled. */
  async settle<T>(promise: Promise<T>, withinMs = 120_000): Promise<T> {
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    promise.then(note, note);
    const endMs = this.clock.monotonicMs() + withinMs;
    await turn();
    // Settling may take a few turns in which nothing happens on the clock.
    for (let idleTurns = 0; !isSettled && idleTurns < 10; idleTurns += 1) {
      if (this.clock.monotonicMs() <= endMs && this.clock.step()) idleTurns = 0;
      await turn();
    }
    if (!isSettled) throw new Error(`not settled within ${withinMs} ms`);
    return promise;
  }

  /** The same for one that is to be rejected. @returns with what. */
  async rejection(promise: Promise<unknown>): Promise<unknown> {
    return this.settle(
      promise.then(
        (value) => {
          throw new Error(`resolved with ${JSON.stringify(value)}`);
        },
        (error: unknown) => error,
      ),
    );
  }
}

export function endpointsOf(hosts: readonly string[]): Endpoint[] {
  return hosts.map((host) => ({ host, port: PORT }));
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

/** Enough for promises that hang together to settle one after the other. */
async function turn(): Promise<void> {
  for (let at = 0; at < 12; at += 1) await Promise.resolve();
}
