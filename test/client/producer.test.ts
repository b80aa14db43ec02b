import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/wire/limits.ts';
import { FrameKind } from '../../src/wire/frame.ts';
import { Outcomes } from './support/outcomes.ts';
import { World, bytes } from './support/world.ts';

describe('a producer', () => {
  test('stamps batches with consecutive sequence numbers and tells where each was stored', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'c']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 3);
    expect([...outcomes.stored]).toEqual([
      ['a', 10],
      ['b', 11],
      ['c', 12],
    ]);
    expect(node.appends.map((request) => request.stamp)).toEqual(
      [1, 2, 3].map((sequence) => ({ producerId: 7, epoch: 1, sequence })),
    );
    expect(producer.pending).toBe(0);
  });

  test('counts nothing as stored before the leader says so', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a');
    world.until(() => node.appends.length === 1);
    world.clock.advanceBy(10_000);
    expect(outcomes.count).toBe(0);
    node.appends[0]?.stored(10);
    world.until(() => outcomes.count === 1);
  });

  test('understands an answer to a run of requests, and one that answers only the first of them', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      // The request ids of the appends follow that of OPEN_PRODUCER.
      else if (request.id === 6) request.session.storedRun(2, 3, 100);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'c', 'd', 'e']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 3);
    expect([...outcomes.stored]).toEqual([
      ['a', 100],
      ['b', 101],
      ['c', 102],
    ]);
    expect(producer.pending).toBe(2);
    node.sessions[0]?.storedRun(5, 2, 200);
    world.until(() => outcomes.count === 5);
    expect(outcomes.stored.get('e')).toBe(201);
  });

  test('writes what is sent in one turn in one piece', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const producer = world.producer(['n1'], { inFlightMax: 64 });
    const outcomes = new Outcomes();
    outcomes.send(producer, 'first');
    world.until(() => outcomes.count === 1);
    const before = node.sessions[0]?.deliveries ?? 0;
    for (let at = 0; at < 50; at += 1) outcomes.send(producer, `r${at}`);
    world.until(() => outcomes.count === 51);
    expect((node.sessions[0]?.deliveries ?? 0) - before).toBe(1);
  });

  test('keeps to its limit of batches in flight and sends the rest in order as answers come', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1'], { inFlightMax: 4 });
    const outcomes = new Outcomes();
    const records = Array.from({ length: 10 }, (_, at) => `r${at}`);
    for (const record of records) outcomes.send(producer, record);
    world.until(() => node.appends.length === 4);
    world.clock.advanceBy(100);
    expect(node.appends).toHaveLength(4);
    for (let at = 0; at < 10; at += 1) {
      world.until(() => node.appends.length > at);
      node.appends[at]?.stored(10 + at);
    }
    world.until(() => outcomes.count === 10);
    expect(node.appended).toEqual(records);
    expect(outcomes.order).toEqual(records);
  });

  test('announces no more in flight than the node allows', () => {
    const world = new World();
    const node = world.node('n1');
    node.greeting = () => ({
      limits: { batchBytesMax: LIMITS.batchBytesMax, recordBytesMax: LIMITS.recordBytesMax, inFlightMax: 2 },
    });
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1'], { inFlightMax: 16 });
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'c']) outcomes.send(producer, record);
    world.until(() => node.appends.length === 2);
    world.clock.advanceBy(100);
    expect(node.appended).toEqual(['a', 'b']);
  });

  test('does not count a batch as pending any more when its callback comes', () => {
    const world = new World();
    world.node('n1').lead();
    const producer = world.producer(['n1']);
    let left = 20;
    const sendNext = (): void => {
      while (left > 0 && producer.pending < 1) {
        left -= 1;
        producer.send([bytes('x')], 30_000, sendNext);
      }
    };
    sendNext();
    world.until(() => left === 0 && producer.pending === 0);
  });

  test('goes on over a new connection when the request ids of one are used up', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const producer = world.producer(['n1'], { requestIdMax: 8, inFlightMax: 4 });
    const outcomes = new Outcomes();
    const records = Array.from({ length: 40 }, (_, at) => `r${at}`);
    for (const record of records) outcomes.send(producer, record);
    world.until(() => outcomes.count === 40);
    expect(outcomes.order).toEqual(records);
    expect([...outcomes.stored.values()]).toEqual(records.map((_, at) => 10 + at));
    expect(node.sessions.length).toBeGreaterThan(4);
  });

  test('hands what a callback throws to the process and goes on', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    producer.send([bytes('a')], 1000, () => {
      throw new Error('a bug of the caller');
    });
    outcomes.send(producer, 'b');
    expect(() => world.until(() => outcomes.count === 2)).toThrow('a bug of the caller');
    world.until(() => outcomes.count === 1);
    expect(outcomes.stored.get('b')).toBe(11);
  });
});

describe('after a failover', () => {
  test('everything unanswered goes again in order, with the same stamps, to the node that leads now', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n2.follow(n1);
    n1.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      else if (request.stamp.sequence <= 2) request.stored(10 + request.stamp.sequence);
    };
    const producer = world.producer(['n1', 'n2']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'c', 'd', 'e']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 2 && n1.appends.length === 5);
    world.network.kill('n1');
    n2.lead((stamp) => 100 + stamp.sequence);
    world.until(() => outcomes.count === 5);
    expect(n2.appends.map((request) => [request.texts[0], request.stamp.sequence])).toEqual([
      ['c', 3],
      ['d', 4],
      ['e', 5],
    ]);
    expect(n2.appends.every((request) => request.stamp.producerId === 7)).toBe(true);
    expect(outcomes.order).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(outcomes.stored.get('e')).toBe(105);
    expect(producer.resent).toBe(3);
  });

  test('a batch that was stored before the cut is acknowledged once, where it was stored first', () => {
    const world = new World();
    const node = world.node('n1');
    const log = new Map<number, number>();
    let cuts = 1;
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) {
        request.opened(7);
        return;
      }
      const { sequence } = request.stamp;
      if (!log.has(sequence)) log.set(sequence, 50 + log.size);
      if (sequence === 3 && cuts > 0) {
        cuts -= 1;
        request.session.connection.destroy();
      } else {
        request.stored(log.get(sequence) ?? 0);
      }
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'c', 'd']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 4);
    expect([...outcomes.stored]).toEqual([
      ['a', 50],
      ['b', 51],
      ['c', 52],
      ['d', 53],
    ]);
    expect(outcomes.answeredTwice).toEqual([]);
  });

  test.each(['NOT_LEADER', 'NO_LEADER', 'LEADERSHIP_LOST', 'SHUTTING_DOWN'] as const)(
    '%s sends everything unanswered to another node',
    (code) => {
      const world = new World();
      const [n1, n2] = [world.node('n1'), world.node('n2')];
      n2.follow(n1);
      n1.onRequest = (request) => {
        if (request.frame.kind === FrameKind.OPEN_PRODUCER) {
          request.opened(7);
          return;
        }
        n1.follow(n2);
        n2.lead((stamp) => 200 + stamp.sequence);
        request.failed(code, code === 'NOT_LEADER' ? { leaderId: 'n2', leaderAddress: n2.address } : {});
      };
      const producer = world.producer(['n1', 'n2']);
      const outcomes = new Outcomes();
      for (const record of ['a', 'b', 'c']) outcomes.send(producer, record);
      world.until(() => outcomes.count === 3);
      expect(n2.appended).toEqual(['a', 'b', 'c']);
      expect([...outcomes.stored.values()]).toEqual([201, 202, 203]);
    },
  );

  test('answers on the old connection that come late count for nothing', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b']) outcomes.send(producer, record);
    world.until(() => node.appends.length === 2);
    node.appends[0]?.failed('OVERLOADED');
    world.clock.advanceBy(1);
    // Of the attempt that is over: the second batch will be sent again, and its answer then is the one that counts.
    node.appends[1]?.stored(999);
    world.until(() => node.appends.length === 4);
    expect(outcomes.count).toBe(0);
    node.sessions[0]?.storedRun(node.appends[2]?.id ?? 0, 2, 10);
    world.until(() => outcomes.count === 2);
    expect([...outcomes.stored.values()]).toEqual([10, 11]);
  });
});

describe('a node that is short of something', () => {
  test('OVERLOADED is tried again with growing pauses until it is taken', () => {
    const world = new World();
    const node = world.node('n1');
    const times: number[] = [];
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) {
        request.opened(7);
        return;
      }
      times.push(world.clock.monotonicMs());
      if (times.length <= 6) request.failed('OVERLOADED');
      else request.stored(10);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a');
    world.until(() => outcomes.count === 1);
    expect(outcomes.stored.get('a')).toBe(10);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    for (const [at, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(2.5 * 2 ** at);
      expect(pause).toBeLessThan(5 * 2 ** at + 1);
    }
  });

  test('keeps the order of all that was in flight', () => {
    const world = new World();
    const node = world.node('n1');
    let refusals = 3;
    let expected = 1;
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) {
        request.opened(7);
      } else if (request.stamp.sequence === 3 && refusals > 0) {
        refusals -= 1;
        request.failed('OVERLOADED');
      } else if (request.stamp.sequence > expected) {
        request.failed('OUT_OF_ORDER');
      } else {
        expected = Math.max(expected, request.stamp.sequence + 1);
        request.stored(9 + request.stamp.sequence);
      }
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    const records = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const record of records) outcomes.send(producer, record);
    world.until(() => outcomes.count === 6);
    expect(outcomes.order).toEqual(records);
    expect([...outcomes.stored.values()]).toEqual([10, 11, 12, 13, 14, 15]);
  });

  test('a stopping leader that still greets as one is not asked in a loop', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => request.failed('SHUTTING_DOWN');
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a', 5000);
    world.until(() => outcomes.count === 1);
    expect(outcomes.outcome('a')).toBe('none');
    // Two without a pause, then two to a round of 10 ms, 20, 40, ... 500.
    expect(node.sessions.length).toBeLessThan(40);
  });
});

describe('a batch that is refused for good', () => {
  test('fails alone: those before it and behind it are stored, in order', () => {
    const world = new World();
    const node = world.node('n1');
    let producers = 0;
    const stored: string[] = [];
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) {
        producers += 1;
        request.opened(100 * producers);
        return;
      }
      const [record = ''] = request.texts;
      const isGap = producers === 1 && request.stamp.sequence > 3;
      if (record === 'bad') request.failed('BATCH_FORMAT');
      else if (isGap) request.failed('OUT_OF_ORDER');
      else request.stored(stored.push(record));
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'bad', 'd', 'e']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 5);
    expect(outcomes.code('bad')).toBe('BATCH_FORMAT');
    expect(outcomes.outcome('bad')).toBe('none');
    expect(stored).toEqual(['a', 'b', 'd', 'e']);
    expect(outcomes.failed.size).toBe(1);
    expect(node.appends.at(-1)?.stamp).toEqual({ producerId: 200, epoch: 1, sequence: 2 });
  });

  test('is unknown, with those behind it, where an earlier leader may have stored it', () => {
    const world = new World();
    const node = world.node('n1');
    let isFirst = true;
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      else if (isFirst && request.stamp.sequence === 2) {
        isFirst = false;
        request.session.connection.destroy();
      } else if (!isFirst && request.stamp.sequence === 1) request.failed('RECORD_TOO_LARGE');
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 2);
    expect(['a', 'b'].map((record) => outcomes.outcome(record))).toEqual(['unknown', 'unknown']);
  });

  test('is refused at once, without being sent, where its size is over the limit', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const producer = world.producer(['n1']);
    let code = '';
    producer.send([new Uint8Array(LIMITS.batchBytesMax)], 1000, (error) => {
      code = error?.code ?? 'stored';
    });
    world.until(() => code !== '');
    expect(code).toBe('RECORD_TOO_LARGE');
    expect(node.hellos).toEqual([]);
  });
});

describe('when the time is up', () => {
  test('a batch that was never sent failed without effect, and says who was asked', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.follow(null);
    n2.follow(null);
    const producer = world.producer(['n1', 'n2', 'n3']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a', 500);
    world.until(() => outcomes.count === 1);
    expect(world.clock.monotonicMs()).toBeCloseTo(500, 0);
    expect(outcomes.code('a')).toBe('TIMEOUT');
    expect(outcomes.outcome('a')).toBe('none');
    const message = outcomes.failed.get('a')?.message;
    expect(message).toContain('n1:7100 knows no leader');
    expect(message).toContain('n3:7100 connection refused');
  });

  test('a batch that was sent is unknown, what went with it too; what was not sent goes on under a new id', () => {
    const world = new World();
    const node = world.node('n1');
    let producers = 0;
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened((producers += 1));
      else if (producers === 2) request.stored(30 + request.stamp.sequence);
    };
    const producer = world.producer(['n1'], { inFlightMax: 3 });
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a', 1000);
    for (const record of ['b', 'c', 'd', 'e']) outcomes.send(producer, record, 30_000);
    world.until(() => outcomes.count === 5);
    expect(outcomes.code('a')).toBe('TIMEOUT_UNKNOWN');
    expect(['b', 'c'].map((record) => outcomes.code(record))).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
    expect(['a', 'b', 'c'].map((record) => outcomes.outcome(record))).toEqual([
      'unknown',
      'unknown',
      'unknown',
    ]);
    expect(outcomes.stored.get('d')).toBe(31);
    expect(outcomes.stored.get('e')).toBe(32);
    expect(node.appends.at(-1)?.stamp).toEqual({ producerId: 2, epoch: 1, sequence: 2 });
  });

  test('a short time behind a long one is kept to', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'long', 30_000);
    outcomes.send(producer, 'short', 200);
    world.until(() => outcomes.count === 2);
    expect(world.clock.monotonicMs()).toBeCloseTo(200, 0);
    expect(outcomes.code('short')).toBe('TIMEOUT_UNKNOWN');
    expect(outcomes.code('long')).toBe('OUTCOME_UNKNOWN');
  });

  test('an answer that comes afterwards changes nothing', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a', 100);
    world.until(() => outcomes.count === 1);
    node.appends[0]?.stored(10);
    world.clock.advanceBy(100);
    expect(outcomes.order).toEqual(['a']);
    expect(outcomes.answeredTwice).toEqual([]);
  });

  test('the node is told how much of the time is left', () => {
    const world = new World();
    const node = world.node('n1');
    node.follow(null);
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a', 10_000);
    world.clock.advanceBy(4000);
    node.lead();
    world.until(() => outcomes.count === 1);
    expect(node.appends[0]?.deadlineMs).toBeLessThanOrEqual(6000);
    expect(node.appends[0]?.deadlineMs).toBeGreaterThan(5000);
  });
});

describe('a session that the cluster ended', () => {
  test.each(['SESSION_EXPIRED', 'OUT_OF_ORDER', 'STALE_EPOCH'] as const)(
    '%s leaves what was sent unknown and opens a new one',
    (code) => {
      const world = new World();
      const node = world.node('n1');
      let producers = 0;
      node.onRequest = (request) => {
        if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened((producers += 1));
        else if (producers === 1) request.failed(code);
        else request.stored(20 + request.stamp.sequence);
      };
      const producer = world.producer(['n1'], { inFlightMax: 2 });
      const outcomes = new Outcomes();
      for (const record of ['a', 'b', 'c']) outcomes.send(producer, record);
      world.until(() => outcomes.count === 3);
      expect(['a', 'b'].map((record) => outcomes.outcome(record))).toEqual(['unknown', 'unknown']);
      expect(outcomes.stored.get('c')).toBe(21);
    },
  );
});

describe('back-pressure', () => {
  test('beyond its queue appends are refused without effect, and it says when there is room', () => {
    const world = new World();
    const node = world.node('n1');
    const producer = world.producer(['n1'], { inFlightMax: 2, queueMax: 4 });
    const outcomes = new Outcomes();
    let writable = 0;
    producer.onWritable = () => {
      writable += 1;
    };
    for (const record of ['a', 'b', 'c', 'd']) outcomes.send(producer, record);
    expect(producer.isWritable).toBe(false);
    outcomes.send(producer, 'e');
    world.until(() => outcomes.count === 1);
    expect(outcomes.code('e')).toBe('OVERLOADED');
    expect(outcomes.outcome('e')).toBe('none');
    expect(writable).toBe(0);
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      else request.stored(9 + request.stamp.sequence);
    };
    world.network.reset('client', 'n1');
    world.until(() => outcomes.count === 5);
    expect(producer.isWritable).toBe(true);
    expect(writable).toBe(1);
    expect(node.appended).toEqual(['a', 'b', 'c', 'd']);
  });

  test('counts bytes too', () => {
    const world = new World();
    const producer = world.producer(['n1'], { queueBytesMax: 1000 });
    const codes: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      producer.send([new Uint8Array(600)], 1000, (error) => codes.push(error?.code ?? 'stored'));
    }
    world.until(() => codes.length === 1);
    expect(codes).toEqual(['OVERLOADED']);
  });

  test('keeps to its limit of bytes in flight, and lets one that is larger through alone', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1'], { inFlightBytesMax: 1000 });
    const stored: number[] = [];
    for (const size of [5000, 600, 600]) {
      producer.send([new Uint8Array(size)], 30_000, (_error, index) => stored.push(index));
    }
    for (let at = 0; at < 3; at += 1) {
      world.until(() => node.appends.length > at);
      world.clock.advanceBy(100);
      expect(node.appends).toHaveLength(at + 1);
      node.appends[at]?.stored(at + 1);
    }
    world.until(() => stored.length === 3);
  });
});

describe('an abort', () => {
  test('of what was not sent has no effect on the log, and later batches take its place', () => {
    const world = new World();
    const node = world.node('n1');
    node.follow(null);
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a');
    const ticket = outcomes.send(producer, 'b');
    outcomes.send(producer, 'c');
    producer.abort(ticket);
    expect(outcomes.code('b')).toBe('ABORTED');
    expect(outcomes.outcome('b')).toBe('none');
    node.lead();
    world.until(() => outcomes.count === 3);
    expect(node.appended).toEqual(['a', 'c']);
    expect(node.appends.map((request) => request.stamp.sequence)).toEqual([1, 2]);
    producer.abort(ticket);
    expect(outcomes.answeredTwice).toEqual([]);
  });

  test('of what was sent leaves it unknown and in its place, so that later ones are stored', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    const ticket = outcomes.send(producer, 'a');
    outcomes.send(producer, 'b');
    world.until(() => node.appends.length === 2);
    producer.abort(ticket);
    expect(outcomes.outcome('a')).toBe('unknown');
    node.sessions[0]?.storedRun(node.appends[0]?.id ?? 0, 2, 10);
    world.until(() => outcomes.count === 2);
    expect(outcomes.stored.get('b')).toBe(11);
    expect(outcomes.answeredTwice).toEqual([]);
  });

  test('of very many does not keep them', () => {
    const world = new World();
    const producer = world.producer(['n1']);
    for (let at = 0; at < 10_000; at += 1) {
      producer.abort(producer.send([bytes('x')], 30_000, () => undefined));
    }
    expect(producer.pending).toBe(0);
    expect(producer.isWritable).toBe(true);
  });
});

describe('closing', () => {
  test('reports what was sent as unknown and the rest as not stored', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const producer = world.producer(['n1'], { inFlightMax: 2 });
    const outcomes = new Outcomes();
    for (const record of ['a', 'b', 'c']) outcomes.send(producer, record);
    world.until(() => node.appends.length === 2);
    producer.close();
    expect(['a', 'b', 'c'].map((record) => outcomes.outcome(record))).toEqual(['unknown', 'unknown', 'none']);
    outcomes.send(producer, 'd');
    world.until(() => outcomes.count === 4);
    expect(outcomes.code('d')).toBe('CLOSED');
    expect(outcomes.outcome('d')).toBe('none');
    world.clock.runUntilIdle(10_000);
  });

  test('from inside a callback answers each batch once', () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    producer.send([bytes('first')], 1000, () => producer.close());
    for (const record of ['a', 'b']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 2);
    expect(outcomes.answeredTwice).toEqual([]);
    expect(outcomes.failed.size).toBe(2);
  });
});

describe('answers that make no sense', () => {
  test('end the session and are asked for elsewhere', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      else request.session.storedRun(1, 60_000, 1);
    };
    n2.follow(n1);
    const producer = world.producer(['n1', 'n2']);
    const outcomes = new Outcomes();
    outcomes.send(producer, 'a');
    world.until(() => n1.sessions.some((session) => !session.isOpen));
    n1.follow(n2);
    n2.lead();
    world.until(() => outcomes.count === 1);
    expect(outcomes.stored.get('a')).toBe(10);
  });

  test('a refusal of the producer itself is told to all that wait', () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => request.failed('UNAUTHORIZED');
    const producer = world.producer(['n1']);
    const outcomes = new Outcomes();
    for (const record of ['a', 'b']) outcomes.send(producer, record);
    world.until(() => outcomes.count === 2);
    expect(outcomes.code('a')).toBe('UNAUTHORIZED');
    // Nothing hangs: the next one is asked for anew.
    node.lead();
    outcomes.send(producer, 'c');
    world.until(() => outcomes.count === 3);
    expect(outcomes.stored.has('c')).toBe(true);
  });
});
