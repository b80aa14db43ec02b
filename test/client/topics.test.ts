import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ConsumptionCheck } from '../../src/check/index.ts';
import { ConsumerCore, type ConsumedPage, type ConsumerCoreOptions } from '../../src/client/consumer-core.ts';
import type { ClientPorts } from '../../src/client/leader-link.ts';
import type { ConsumedRecord } from '../../src/client/queue-reader.ts';
import { TopicProducerCore, type Produced } from '../../src/client/topic-producer-core.ts';
import { NODE_PORT, SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { TopicsDriver } from '../node/support/topics.ts';

// Producers and members of groups against whole nodes, the real code on both sides, under virtual time.

const TOPIC = 'orders';
const QUEUES = 4;
const UTF8 = { encode: new TextEncoder(), decode: new TextDecoder() };

class Shop {
  readonly cluster: SimulatedCluster;
  readonly check: ConsumptionCheck = new ConsumptionCheck();
  readonly prng: Prng;
  readonly ids: number[];
  readonly stored: { readonly text: string; readonly produced: Produced }[] = [];
  readonly unknown: string[] = [];
  sent = 0;
  answered = 0;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.cluster = new SimulatedCluster({ seed, size: 3 });
    this.cluster.startAll();
    const leader = this.cluster.runUntilLeader();
    new TopicsDriver(this.cluster).createTopic(leader, TOPIC, QUEUES);
    this.ids = Array.from({ length: QUEUES }, (_, at) => at + 1);
  }

  ports(host: string): ClientPorts {
    const { network, clock } = this.cluster;
    return { network: network.host(host), clock, prng: this.prng.fork() };
  }

  get where(): { endpoints: { host: string; port: number }[]; clusterId: null } {
    return { endpoints: this.cluster.ids.map((host) => ({ host, port: NODE_PORT })), clusterId: null };
  }

  advance(ms: number): void {
    this.cluster.clock.advanceBy(ms);
  }

  until(condition: () => boolean, withinMs = 60_000): void {
    if (!this.cluster.clock.runUntil(condition, withinMs)) throw new Error(`not so within ${withinMs} ms`);
  }

  producer(host: string): TopicProducerCore {
    const options = { inFlightMax: 4, lingerMs: 5, batchBytesMax: 2048, bufferBytesMax: 1 << 20 };
    return new TopicProducerCore({ ...this.where, ...options }, this.ports(host));
  }

  send(producer: TopicProducerCore, text: string, key: string | null, timeoutMs = 30_000): void {
    this.sent += 1;
    const body = UTF8.encode.encode(text);
    const message = { bornTimeMs: 1, key, tag: null, orderingGroup: null, headers: [], body };
    producer.send(TOPIC, message, timeoutMs, (error, produced) => {
      this.answered += 1;
      if (produced === null) {
        expect(error?.outcome).toBe('unknown');
        this.unknown.push(text);
        return;
      }
      this.stored.push({ text, produced });
      this.check.acknowledged(this.ids[produced.queue] as number, produced.offset, [text]);
    });
  }

  killLeader(): void {
    const leader = this.cluster.leader() ?? this.cluster.runUntilLeader();
    this.cluster.kill(leader);
    this.cluster.clock.setTimer(400, () => this.cluster.start(leader));
  }
}

/** A member that works on each record for a while. */
class Worker {
  readonly core: ConsumerCore;
  readonly got: ConsumedRecord[] = [];
  readonly name: string;
  idle = 0;
  error: Error | null = null;
  /** Memberships: after each loss another one. */
  #membership = 0;
  #isGone = false;
  readonly #shop: Shop;
  readonly #check: ConsumptionCheck;

  constructor(shop: Shop, name: string, options: Partial<ConsumerCoreOptions> = {}) {
    this.#shop = shop;
    this.name = name;
    // Who reads alone has its own beginning, and promises nothing to a group.
    const check = options.group === null ? new ConsumptionCheck() : shop.check;
    this.#check = check;
    this.core = new ConsumerCore(
      {
        ...shop.where,
        topics: [TOPIC],
        group: 'g',
        instance: name,
        clientName: name,
        sessionTimeoutMs: 3000,
        from: { kind: 'earliest', value: null },
        queues: null,
        tags: [],
        pageRecords: 64,
        pageBytes: 4096,
        autoCommitMs: 100,
        onExpired: 'error',
        timeoutMs: 10_000,
        ...options,
      },
      shop.ports(name),
      {
        onAssigned: (queues) => {
          for (const { id, position } of queues) check.assigned(this.#who, id, position);
        },
        onCommitted: (positions) => {
          for (const { queue, offset } of positions) check.committed(queue, offset);
        },
        onRevoked: (queues) => {
          for (const { id } of queues) check.revoked(this.#who, id);
        },
        onLost: (queues) => {
          for (const { id } of queues) check.revoked(this.#who, id);
          this.#membership += 1;
        },
        onIdle: () => {
          this.idle += 1;
        },
        onSkipped: () => undefined,
      },
    );
    this.core.start();
    this.#next();
  }

  /** How often it lost its place in the group. */
  get losses(): number {
    return this.#membership;
  }

  get #who(): string {
    return `${this.name}/${this.#membership}`;
  }

  /** Its process is gone, and says nothing about it. */
  vanish(): void {
    this.#isGone = true;
    this.#shop.cluster.network.kill(this.name);
  }

  close(): void {
    let isClosed = false;
    this.core.close(() => {
      isClosed = true;
    });
    this.#shop.until(() => isClosed);
  }

  #next(): void {
    this.core.next((error, page) => {
      this.error = error;
      if (page !== null && !this.#isGone) this.#work(page, this.#who, 0);
    });
  }

  /** In slices, so that pages are cut into by kills and hand-overs. */
  #work(page: ConsumedPage, who: string, from: number): void {
    const { cluster, prng, ids } = this.#shop;
    const check = this.#check;
    const slice = page.records.slice(from, from + 7);
    if (slice.length === 0) {
      this.#next();
      return;
    }
    cluster.clock.setTimer(prng.between(1, 20), () => {
      // What it had no longer counts: others may have it.
      if (this.#isGone) return;
      for (const record of slice) {
        if (who !== this.#who) break;
        this.got.push(record);
        const id = ids[record.queue] as number;
        check.delivered(who, id, record.offset, UTF8.decode.decode(record.body));
        page.workedOff(record.offset + 1);
      }
      if (who === this.#who) this.#work(page, who, from + slice.length);
      else this.#next();
    });
  }
}

describe('topics', () => {
  test('a member keeps its place while leaders die faster than its heartbeats are answered', () => {
    const shop = new Shop(9);
    // Heartbeats wait for two seconds where nothing happens; it takes the group's word for eight.
    const worker = new Worker(shop, 'm1', { sessionTimeoutMs: 12_000 });
    shop.until(() => worker.core.queues.length === QUEUES);
    for (let second = 0; second < 30; second += 1) {
      shop.killLeader();
      shop.advance(1000);
    }
    expect(worker.losses).toBe(0);
    worker.close();
  });

  test('a member that is ended by an error leaves its queues to the others, though nobody closes it', () => {
    const shop = new Shop(5);
    const producer = shop.producer('p1');
    for (let at = 0; at < 100; at += 1) shop.send(producer, `r${at}`, `k${at % 7}`);
    shop.until(() => shop.answered === 100);
    const astray = new Worker(shop, 'astray', { from: { kind: 'offset', value: 1_000_000 } });
    shop.until(() => astray.error !== null);
    expect(astray.error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
    const member = new Worker(shop, 'member');
    shop.until(() => member.core.queues.length === QUEUES);
    astray.close();
    member.close();
    producer.close();
  });

  test('what is sent is stored once, in the order of its key, and read by whoever reads alone', () => {
    const shop = new Shop(1);
    const producer = shop.producer('p1');
    for (let at = 0; at < 300; at += 1) shop.send(producer, `r${at}`, at % 3 === 0 ? null : `k${at % 7}`);
    shop.until(() => shop.answered === 300);
    expect(shop.stored).toHaveLength(300);
    const reader = new Worker(shop, 'alone', { group: null });
    shop.until(() => reader.got.length === 300);
    for (const { text, produced } of shop.stored) {
      const found = reader.got.filter(({ body }) => UTF8.decode.decode(body) === text);
      expect(found).toMatchObject([
        { offset: produced.offset, queue: produced.queue, index: produced.index },
      ]);
    }
    for (let key = 0; key < 7; key += 1) {
      const its = reader.got.filter((record) => record.key === `k${key}`);
      const numbers = its.map(({ body }) => Number(UTF8.decode.decode(body).slice(1)));
      expect(new Set(its.map(({ queue }) => queue)).size).toBe(1);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    reader.close();
    producer.close();
  });

  test('a record that goes anywhere fills the batch of one queue after the other', () => {
    const shop = new Shop(2);
    const producer = shop.producer('p1');
    for (let round = 0; round < 8; round += 1) {
      for (let at = 0; at < 5; at += 1) shop.send(producer, `r${round}.${at}`, null);
      shop.until(() => shop.answered === shop.sent);
    }
    const perQueue = shop.ids.map(
      (_, queue) => shop.stored.filter(({ produced }) => produced.queue === queue).length,
    );
    expect(perQueue).toEqual([10, 10, 10, 10]);
    for (let at = 0; at < 4 * 32; at += 1) shop.send(producer, `all at once ${at}`, null);
    shop.until(() => shop.answered === shop.sent);
    const spread = shop.ids.map(
      (_, queue) => shop.stored.filter(({ produced }) => produced.queue === queue).length,
    );
    expect(spread).toEqual([42, 42, 42, 42]);
    producer.close();
  });

  test('a topic that is not there, and one that was deleted, are refused by name', () => {
    const shop = new Shop(3);
    const producer = shop.producer('p1');
    const errors: (string | undefined)[] = [];
    const texts: (string | undefined)[] = [];
    const message = {
      bornTimeMs: 1,
      key: null,
      tag: null,
      orderingGroup: null,
      headers: [],
      body: new Uint8Array(1),
    };
    const send = (topic: string): void => {
      const before = errors.length;
      producer.send(topic, message, 5000, (error) => {
        errors.push(error?.code);
        texts.push(error?.message);
      });
      shop.until(() => errors.length > before);
    };
    send('nix');
    send(TOPIC);
    const before = new Worker(shop, 'before', { group: null });
    shop.until(() => before.got.length > 0);
    new TopicsDriver(shop.cluster).admin(shop.cluster.leader() as string, { op: 'deleteTopic', name: TOPIC });
    send(TOPIC);
    send(TOPIC);
    expect(errors).toEqual(['UNKNOWN_TOPIC', undefined, 'UNKNOWN_TOPIC', 'UNKNOWN_TOPIC']);
    // By the name that people gave it, not by the numbers of its queues.
    expect(texts[2]).toBe(`there is no topic "${TOPIC}" any more`);
    shop.until(() => before.error !== null);
    expect(before.error).toMatchObject({ code: 'UNKNOWN_TOPIC', message: texts[2] });
    const reader = new Worker(shop, 'alone', { group: null });
    shop.until(() => reader.error !== null);
    expect(reader.error).toMatchObject({ code: 'UNKNOWN_TOPIC' });
    producer.close();
  });

  test('a consumer that comes back goes on where it stopped; one that begins elsewhere begins there', () => {
    const shop = new Shop(4);
    const producer = shop.producer('p1');
    const fill = (count: number): void => {
      for (let at = 0; at < count; at += 1) shop.send(producer, `r${shop.sent}`, `k${at}`);
      shop.until(() => shop.answered === shop.sent);
    };
    fill(200);
    const first = new Worker(shop, 'first');
    shop.until(() => first.got.length === 200 && first.idle > 0);
    first.close();
    const latest = new Worker(shop, 'latest', { group: null, from: { kind: 'latest', value: null } });
    shop.until(() => latest.idle > 0);
    fill(50);
    const second = new Worker(shop, 'second');
    shop.until(() => second.got.length === 50 && latest.got.length === 50);
    shop.advance(500);
    expect(second.got).toHaveLength(50);
    const tail = new Worker(shop, 'tail', { group: null, from: { kind: 'offset', value: 1_000_000 } });
    shop.until(() => tail.error !== null);
    expect(tail.error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', firstIndex: 0 });
    for (const worker of [latest, second, tail]) worker.close();
    expect(shop.check.end()).toEqual([]);
  });

  test.each(Array.from({ length: 12 }, (_, at) => at + 1))(
    'members come, go and vanish while leaders die: nothing is lost, doubled or repeated that was committed (seed %i)',
    (seed) => {
      const shop = new Shop(seed);
      const producers = [shop.producer('p1'), shop.producer('p2')];
      const workers = [new Worker(shop, 'm1')];
      for (let round = 0; round < 40; round += 1) {
        for (const producer of producers)
          for (let at = 0; at < 10; at += 1)
            shop.send(producer, `r${shop.sent}`, shop.prng.chance(0.5) ? `k${shop.prng.below(20)}` : null);
        if (round === 5) workers.push(new Worker(shop, 'm2'));
        if (round === 10) workers.push(new Worker(shop, 'm3'));
        if (round === 20) workers[1]?.vanish();
        if (round === 30) workers[0]?.close();
        if (round % 8 === 4) shop.killLeader();
        shop.advance(shop.prng.between(20, 150));
      }
      shop.until(() => shop.answered === shop.sent);
      const texts = new Set<string>();
      const isAllThere = (): boolean => {
        for (const { got } of workers) for (const { body } of got) texts.add(UTF8.decode.decode(body));
        return shop.stored.every(({ text }) => texts.has(text));
      };
      shop.until(isAllThere);
      workers[2]?.close();
      expect(shop.check.end()).toEqual([]);
      expect(shop.stored.length + shop.unknown.length).toBe(shop.sent);
      for (const producer of producers) producer.close();
    },
  );
});
