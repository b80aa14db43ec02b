import type { TimerHandle } from '../base/ports/clock.ts';
import { Prng } from '../base/prng.ts';
import { ConsumptionCheck } from '../check/index.ts';
import { ConsumerCore, type ConsumedPage, type ConsumerCoreOptions } from '../client/consumer-core.ts';
import type { ClientPorts } from '../client/leader-link.ts';
import { RequestChannel, type Request } from '../client/request-channel.ts';
import { TopicProducerCore } from '../client/topic-producer-core.ts';
import { decodeAdminResult, encodeAdmin, type AdminResult } from '../wire/broker-schema.ts';
import { FrameKind } from '../wire/frame.ts';
import type { PlannedClient, PlannedOperation } from './scenario.ts';
import { followPlan, type ClientWorld } from './simulated-client.ts';

const TOPIC = 'orders';
const GROUP = 'billing';
const QUEUES = 3;
/** What may end a consumer: there is no topic yet, or nobody answered its very first request. */
const GOOD_REASONS: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC', 'UNREACHABLE', 'TIMEOUT']);
const RETRY_MS = 100;
const SESSION_MS_MIN = 1000;
export const SESSION_MS_MAX = 3000;
/** Records of a page that are worked off together: pages are cut into by hand-overs and deaths. */
const SLICE = 5;

/** The topic of a world, who sends to it, who reads it, and what they were promised. Queues are known by their ordinals. */
export class SimulatedTopic {
  readonly check: ConsumptionCheck = new ConsumptionCheck();
  readonly #world: ClientWorld;
  readonly #channel: RequestChannel;
  isThere = false;
  produced = 0;
  consumed = 0;
  handOvers = 0;
  /** Consumers that gave up, and why, where they had no reason to. */
  readonly ended: string[] = [];

  constructor(world: ClientWorld) {
    this.#world = world;
    const ports = portsOf(world, 'maker', new Prng(world.scenario.seed));
    this.#channel = new RequestChannel(
      { endpoints: world.endpoints, clusterId: null, wants: 'leader' },
      ports,
    );
    this.#create();
  }

  /** Until it is there: a request that came to nothing, or of which nobody knows, is made again. */
  #create(): void {
    this.#channel.ask(createTopic(this.#world.scenario.topicQueues ?? QUEUES), (error) => {
      if (error === null || error.code === 'TOPIC_EXISTS') {
        this.isThere = true;
        this.#channel.close();
      } else this.#world.clock.setTimer(RETRY_MS, () => this.#create());
    });
  }
}

/** A real producer of records for the topic, by its plan, never twice the same. */
export class SimulatedTopicProducer {
  readonly name: string;
  readonly #world: ClientWorld;
  readonly #topic: SimulatedTopic;
  readonly #core: TopicProducerCore;
  readonly #encoder = new TextEncoder();

  constructor({ name, seed, operations }: PlannedClient, world: ClientWorld, topic: SimulatedTopic) {
    const prng = new Prng(seed);
    this.name = name;
    this.#world = world;
    this.#topic = topic;
    const { endpoints, scenario } = world;
    this.#core = new TopicProducerCore(
      {
        endpoints,
        clusterId: null,
        inFlightMax: Math.min(scenario.inFlightMax, 8),
        lingerMs: prng.chance(0.3) ? 0 : prng.between(1, 20),
        batchBytesMax: prng.between(100, 4000),
        bufferBytesMax: 1024 * 1024,
      },
      portsOf(world, name, prng.fork()),
    );
    followPlan(world, operations, (operation) => this.#send(operation));
  }

  /** Records that have not been answered. */
  get pending(): number {
    return this.#core.pending;
  }

  #send({ ordinal, seed }: PlannedOperation): void {
    const prng = new Prng(seed);
    const { trace, scenario } = this.#world;
    const count = prng.chance(0.7) ? 1 : prng.between(2, 6);
    for (let at = 0; at < count; at += 1) {
      const value = `${this.name}#${ordinal}.${at}`;
      const body = this.#encoder.encode(
        `${value} ${'x'.repeat(prng.below(Math.min(400, scenario.payloadBytesMax + 1)))}`,
      );
      const key = prng.chance(0.5) ? `k${prng.below(8)}` : null;
      const message = { bornTimeMs: ordinal, key, tag: null, orderingGroup: null, headers: [], body };
      this.#core.send(TOPIC, message, prng.between(1, scenario.timeoutMsMax), (error, produced) => {
        if (produced === null) {
          trace.note(this.name, `${value}: ${error?.code ?? '?'}, outcome ${error?.outcome ?? '?'}`);
          return;
        }
        this.#topic.produced += 1;
        trace.note(this.name, `${value} is at ${produced.queue}:${produced.offset}`);
        this.#topic.check.acknowledged(produced.queue, produced.offset, [value]);
      });
    }
  }
}

/** A member of the group, or nobody: it joins, works, leaves in good order, or is gone from one moment to the next. */
export class SimulatedMember {
  readonly name: string;
  readonly #world: ClientWorld;
  readonly #topic: SimulatedTopic;
  readonly #prng: Prng;
  #worker: Worker | null = null;
  #lives = 0;

  constructor({ name, seed, operations }: PlannedClient, world: ClientWorld, topic: SimulatedTopic) {
    this.name = name;
    this.#world = world;
    this.#topic = topic;
    this.#prng = new Prng(seed);
    followPlan(world, operations, ({ seed: own }) => this.#comeOrGo(new Prng(own)));
  }

  join(): void {
    this.#lives += 1;
    // Now and then under another name: then the old one's session has to run out.
    const host = `${this.name}-${this.#lives}`;
    const instance = this.#prng.chance(0.5) ? this.name : host;
    this.#worker = new Worker(host, instance, this.#prng.fork(), this.#world, this.#topic);
  }

  /** Leaves in good order, if it is there. */
  leave(done: () => void): void {
    const worker = this.#worker;
    this.#worker = null;
    if (worker === null) done();
    else worker.leave(done);
  }

  #comeOrGo(prng: Prng): void {
    if (!this.#topic.isThere) return;
    if (this.#worker === null) this.join();
    else if (prng.chance(0.5)) this.leave(() => undefined);
    else {
      this.#worker.vanish();
      this.#worker = null;
    }
  }
}

/** One life of a member. */
class Worker {
  readonly #host: string;
  readonly #world: ClientWorld;
  readonly #topic: SimulatedTopic;
  readonly #prng: Prng;
  readonly #core: ConsumerCore;
  readonly #decoder = new TextDecoder();
  /** Ordinals by number in the cluster. */
  readonly #ordinals = new Map<number, number>();
  /** Memberships of this life: after each loss another one. */
  #membership = 1;
  #isGone = false;
  #working: TimerHandle | null = null;

  constructor(host: string, instance: string, prng: Prng, world: ClientWorld, topic: SimulatedTopic) {
    this.#host = host;
    this.#world = world;
    this.#topic = topic;
    this.#prng = prng;
    const { check } = topic;
    world.trace.note(host, `joins as ${instance}`);
    this.#core = new ConsumerCore(
      { ...optionsOf(world, prng), group: GROUP, instance, clientName: host },
      portsOf(world, host, prng.fork()),
      {
        onAssigned: (queues) => {
          for (const { id, ordinal, position } of queues) {
            this.#ordinals.set(id, ordinal);
            world.trace.note(this.#who, `has ${ordinal} from ${position ?? 'the beginning'}`);
            check.assigned(this.#who, ordinal, position);
          }
        },
        onCommitted: (positions) => {
          for (const { queue, offset } of positions) {
            world.trace.note(this.#who, `committed ${this.#ordinals.get(queue) ?? '?'}:${offset}`);
            check.committed(this.#ordinals.get(queue) ?? -1, offset);
          }
        },
        onRevoked: (queues) => {
          topic.handOvers += queues.length;
          for (const { ordinal } of queues) check.revoked(this.#who, ordinal);
        },
        onLost: (queues, why) => {
          world.trace.note(this.#who, `lost ${queues.length} queues: ${why}`);
          for (const { ordinal } of queues) check.revoked(this.#who, ordinal);
          this.#membership += 1;
        },
        onIdle: () => undefined,
        onSkipped: () => undefined,
      },
    );
    this.#core.start();
    this.#next();
  }

  get #who(): string {
    return `${this.#host}/${this.#membership}`;
  }

  leave(done: () => void): void {
    this.#world.trace.note(this.#who, 'leaves');
    this.#core.close(() => {
      this.#isGone = true;
      this.#working?.cancel();
      done();
    });
  }

  /** From one moment to the next, as by SIGKILL: nobody is told. */
  vanish(): void {
    this.#world.trace.note(this.#who, 'vanishes');
    this.#isGone = true;
    this.#working?.cancel();
    this.#world.vanish(this.#host);
  }

  #next(): void {
    this.#core.next((error, page) => {
      // What ends a consumer ends this life; the plan brings another.
      if (error !== null) {
        const why = `${this.#who} ended: ${error.code} ${error.message}`;
        this.#world.trace.note(this.#who, why);
        if (!GOOD_REASONS.has(error.code)) this.#topic.ended.push(why);
      }
      if (page !== null && !this.#isGone) this.#work(page, this.#who, 0);
    });
  }

  #work(page: ConsumedPage, who: string, from: number): void {
    const { check } = this.#topic;
    const slice = page.records.slice(from, from + SLICE);
    if (slice.length === 0 || who !== this.#who) {
      this.#next();
      return;
    }
    this.#working = this.#world.clock.setTimer(this.#prng.between(0, 30), () => {
      // What it lost meanwhile is not its own to work on.
      for (const record of who === this.#who ? slice : []) {
        const text = this.#decoder.decode(record.body);
        this.#topic.consumed += 1;
        check.delivered(who, record.queue, record.offset, text.slice(0, text.indexOf(' ')));
        page.workedOff(record.offset + 1);
      }
      this.#work(page, who, from + slice.length);
    });
  }
}

function optionsOf(
  { endpoints }: ClientWorld,
  prng: Prng,
): Omit<ConsumerCoreOptions, 'group' | 'instance' | 'clientName'> {
  return {
    endpoints,
    clusterId: null,
    topics: [TOPIC],
    sessionTimeoutMs: prng.between(SESSION_MS_MIN, SESSION_MS_MAX),
    from: { kind: 'earliest', value: null },
    queues: null,
    tags: [],
    pageRecords: prng.between(1, 64),
    pageBytes: prng.between(1, 8192),
    autoCommitMs: prng.between(20, 500),
    onExpired: 'error',
    timeoutMs: 10_000,
  };
}

function portsOf({ network, clock, mutations }: ClientWorld, host: string, prng: Prng): ClientPorts {
  return { network: network(host), clock, prng, mutations };
}

function createTopic(queues: number): Request<AdminResult> {
  return {
    kind: FrameKind.ADMIN,
    answerKind: FrameKind.ADMIN_RESULT,
    isRepeatable: false,
    timeoutMs: 2000,
    encode: (remainingMs) =>
      encodeAdmin({
        op: 'createTopic',
        name: TOPIC,
        queues,
        retentionMs: null,
        retentionBytes: null,
        deadlineMs: Math.ceil(remainingMs),
      }),
    decode: decodeAdminResult,
  };
}
