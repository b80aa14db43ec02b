import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Network } from '../base/ports/network.ts';
import { Prng } from '../base/prng.ts';
import type { LogIndex } from '../base/units.ts';
import type { History } from '../check/index.ts';
import type { Endpoint } from '../client/endpoint.ts';
import type { ClientPorts } from '../client/leader-link.ts';
import { ProducerCore } from '../client/producer-core.ts';
import { appendLink } from '../client/producer-link.ts';
import { ReaderCore } from '../client/reader-core.ts';
import type { LogRecord } from '../client/records.ts';
import { RequestChannel } from '../client/request-channel.ts';
import type { Consistency } from '../wire/client-codec.ts';
import type { PayloadValues } from './payload-values.ts';
import type { PlannedClient, PlannedOperation, Scenario } from './scenario.ts';
import type { Trace } from './trace.ts';

/** What clients live in. */
export interface ClientWorld {
  readonly clock: Clock;
  readonly network: (host: string) => Network;
  /** A host is gone from one moment to the next, with all its connections. */
  readonly vanish: (host: string) => void;
  readonly endpoints: readonly Endpoint[];
  readonly history: History;
  readonly values: PayloadValues;
  readonly trace: Trace;
  readonly scenario: Scenario;
  readonly mutations: Mutations;
  /** The highest index that any client was told of. */
  highestIndex: number;
}

/** A real producer that sends by its plan and never twice the same. */
export class SimulatedProducer {
  readonly name: string;
  readonly #world: ClientWorld;
  readonly #core: ProducerCore;
  readonly #encoder = new TextEncoder();

  constructor({ name, seed, operations }: PlannedClient, world: ClientWorld) {
    const prng = new Prng(seed);
    this.name = name;
    this.#world = world;
    const { inFlightMax } = world.scenario;
    // Small now and then, so that connections are replaced because their request ids are used up.
    const requestIdMax = prng.chance(0.2) ? 100 : 0xffffffff;
    const ports: ClientPorts = {
      network: world.network(name),
      clock: world.clock,
      prng: prng.fork(),
      mutations: world.mutations,
    };
    this.#core = new ProducerCore(
      { inFlightMax, inFlightBytesMax: 1024 * 1024, queueMax: 256, queueBytesMax: 4 * 1024 * 1024 },
      ports,
      appendLink({ endpoints: world.endpoints, clusterId: null, requestIdMax }, ports),
    );
    followPlan(world, operations, (operation) => this.#send(operation));
  }

  /** Appends that have not been answered. */
  get pending(): number {
    return this.#core.pending;
  }

  #send({ ordinal: sequence, seed }: PlannedOperation): void {
    const { history, values: known, trace, scenario } = this.#world;
    const prng = new Prng(seed);
    const operation = history.nextOperation();
    const count = prng.chance(0.8) ? 1 : prng.between(2, 4);
    const payloads = Array.from({ length: count }, (_, at) =>
      this.#payload(`${this.name}#${sequence}.${at}`, prng),
    );
    const values = payloads.map((payload) => known.of(payload));
    const timeoutMs = prng.between(1, scenario.timeoutMsMax);
    history.note({ type: 'append-invoked', operation, producer: this.name, sequence, values });
    trace.note(this.name, `append ${sequence}: ${count} records, ${timeoutMs} ms`);
    this.#core.send(payloads, timeoutMs, (error, index, term) => {
      if (error === null) {
        this.#world.highestIndex = Math.max(this.#world.highestIndex, index);
        history.note({ type: 'append-ok', operation, index, term });
        trace.note(this.name, `append ${sequence} is at ${index}, term ${term}`);
        return;
      }
      history.note({ type: error.outcome === 'none' ? 'append-failed' : 'append-unknown', operation });
      trace.note(this.name, `append ${sequence}: ${error.code}, outcome ${error.outcome}: ${error.message}`);
    });
  }

  #payload(name: string, prng: Prng): Uint8Array {
    const bytes = prng.below(this.#world.scenario.payloadBytesMax + 1);
    return this.#encoder.encode(`${name} ${String.fromCharCode(97 + prng.below(26)).repeat(bytes)}`);
  }
}

/** Reads at once. Some hang at nodes that cannot be reached, while others go on. */
const RUNNING_MAX = 16;

interface Target {
  readonly to: string;
  readonly channel: RequestChannel;
}

/** Reads by its plan: all from somewhere on, from the leader or from one node, or follows for a while. */
export class SimulatedReader {
  readonly name: string;
  readonly #world: ClientWorld;
  /** To the leader, and to each node. */
  readonly #channels: readonly Target[];
  #running = 0;

  constructor({ name, seed, operations }: PlannedClient, world: ClientWorld) {
    const prng = new Prng(seed);
    this.name = name;
    this.#world = world;
    const ports = (): ConstructorParameters<typeof RequestChannel>[1] => ({
      network: world.network(name),
      clock: world.clock,
      prng: prng.fork(),
      mutations: world.mutations,
    });
    const { endpoints } = world;
    this.#channels = [
      { to: 'leader', channel: new RequestChannel({ endpoints, clusterId: null, wants: 'leader' }, ports()) },
      ...endpoints.map((endpoint) => ({
        to: endpoint.host,
        channel: new RequestChannel({ endpoints: [endpoint], clusterId: null, wants: 'anyNode' }, ports()),
      })),
    ];
    followPlan(world, operations, (operation) => {
      if (this.#running < RUNNING_MAX) this.#read(operation);
    });
  }

  /** Reads that have not ended. */
  get pending(): number {
    return this.#running;
  }

  #read({ seed }: PlannedOperation): void {
    const { highestIndex } = this.#world;
    const prng = new Prng(seed);
    const place = prng.chance(0.6) ? 0 : prng.below(this.#channels.length);
    const { to, channel } = this.#channels[place] as Target;
    const from = prng.chance(0.03) ? 1 : Math.max(1, highestIndex - prng.below(50));
    const consistency = to === 'leader' ? 'linearizable' : 'committed';
    const isFollowing = prng.chance(0.2);
    const timeoutMs = prng.between(100, 5000);
    this.#running += 1;
    const read = new RecordedRead(this.#world, `${this.name} at ${to}`, channel, {
      from,
      consistency,
      isFollowing,
      timeoutMs,
    });
    const closeMs = isFollowing ? timeoutMs : Number.POSITIVE_INFINITY;
    read.run(closeMs, () => {
      this.#running -= 1;
    });
  }
}

/** One read, and what it brought, into the history. */
export class RecordedRead {
  readonly #world: ClientWorld;
  readonly #reader: string;
  readonly #core: ReaderCore;
  readonly #operation: number;
  #closing: TimerHandle | null = null;
  #records = 0;
  /** Also told of each record. */
  onRecord: ((record: LogRecord, value: string) => void) | null = null;

  constructor(
    world: ClientWorld,
    reader: string,
    channel: RequestChannel,
    options: {
      readonly from: number;
      readonly consistency: Consistency;
      readonly isFollowing: boolean;
      readonly timeoutMs: number;
    },
  ) {
    this.#world = world;
    this.#reader = reader;
    this.#operation = world.history.nextOperation();
    const { from, consistency, isFollowing, timeoutMs } = options;
    world.history.note({ type: 'read-invoked', operation: this.#operation, reader, from, consistency });
    world.trace.note(
      reader,
      `read ${this.#operation} from ${from}, ${consistency}${isFollowing ? ', following' : ''}`,
    );
    this.#core = new ReaderCore(channel, world.clock, {
      from: from as LogIndex,
      to: null,
      countMax: Number.POSITIVE_INFINITY,
      isFollowing,
      consistency,
      timeoutMs,
      mutations: world.mutations,
    });
  }

  /** @param closeMs a reader that follows is closed after this long. @param done whether it came to its end. */
  run(closeMs: number, done: (isWhole: boolean) => void): void {
    const { clock } = this.#world;
    if (closeMs < Number.POSITIVE_INFINITY) {
      this.#closing = clock.setTimer(closeMs, () => {
        this.#core.close();
        this.#end('closed', done);
      });
    }
    this.#more(done);
  }

  #more(done: (isWhole: boolean) => void): void {
    this.#core.next((error, records) => {
      if (records === null) {
        this.#closing?.cancel();
        this.#end(error === null ? null : `${error.code} ${error.message}`, done);
        return;
      }
      this.#records += records.length;
      const page = records.map((record) => {
        const value = this.#world.values.of(record.data);
        this.onRecord?.(record, value);
        return { index: record.index, ordinal: record.ordinal, value };
      });
      this.#world.history.note({ type: 'read-page', operation: this.#operation, records: page });
      this.#more(done);
    });
  }

  #end(why: string | null, done: (isWhole: boolean) => void): void {
    const { history, trace } = this.#world;
    history.note({ type: why === null ? 'read-ok' : 'read-failed', operation: this.#operation });
    trace.note(
      this.#reader,
      `read ${this.#operation} brought ${this.#records} records, ${why ?? 'and that was all'}`,
    );
    done(why === null);
  }
}

/** One timer at a time: a plan may be long, and most of it lies far ahead. Nothing is begun once all is to be healed. */
export function followPlan(
  world: ClientWorld,
  plan: readonly PlannedOperation[],
  carryOut: (operation: PlannedOperation) => void,
  next = 0,
): void {
  const { clock, scenario } = world;
  const operation = plan[next];
  if (operation === undefined || operation.atMs >= scenario.safetyMs) return;
  clock.setTimer(Math.max(0, operation.atMs - clock.monotonicMs()), () => {
    carryOut(operation);
    followPlan(world, plan, carryOut, next + 1);
  });
}
