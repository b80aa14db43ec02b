import { describe, expect, test } from 'vitest';
import {
  AbortedError,
  ArgumentError,
  ClosedError,
  DledgerError,
  RefusedError,
  TimeoutUnknownError,
  UnreachableError,
  connect,
  type ConnectOptions,
  type LogRecord,
} from '../../src/client/index.ts';
import { encodeTransferred } from '../../src/wire/client-codec.ts';
import { errorInfo } from '../../src/wire/errors.ts';
import { FrameKind } from '../../src/wire/frame.ts';
import type { NodeId, Term } from '../../src/base/units.ts';
import { World, bytes } from './support/world.ts';

describe('connect', () => {
  test('resolves as soon as one endpoint answers, whatever the others do', async () => {
    const world = new World();
    world.node('n1').greeting = () => 'silence';
    world.node('n2').follow(null);
    const client = await world.client(['n9', 'n1', 'n2']);
    expect(world.clock.monotonicMs()).toBeLessThan(5);
    await world.settle(client.close());
    world.clock.runUntilIdle(10_000);
  });

  test('names each endpoint and why it did not do', async () => {
    const world = new World();
    world.node('n1').greeting = () => 'silence';
    world.node('n2').greeting = () => bytes('SSH-2.0-OpenSSH_9.6\r\n');
    const error = await world.rejection(world.client(['n1', 'n2', 'n3']));
    expect(error).toBeInstanceOf(UnreachableError);
    const { message, retryable, hint } = error as UnreachableError;
    expect(message).toMatch(
      /n1:7100 does not greet back; n2:7100 spoke nonsense: .*; n3:7100 connection refused/,
    );
    expect(retryable).toBe(true);
    expect(hint).toContain('majority');
  });

  test('is refused by a cluster with another id', async () => {
    const world = new World();
    world.node('n1').greeting = () => ({ refusal: errorInfo('WRONG_CLUSTER', 'n1 belongs to cluster c0ff') });
    const error = await world.rejection(world.client(['n1', 'n2'], { clusterId: '0'.repeat(32) }));
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject({ code: 'WRONG_CLUSTER', retryable: false, outcome: 'none' });
    expect((error as RefusedError).message).toContain('n1 belongs to cluster c0ff');
    expect((error as RefusedError).message).toContain('n2:7100 connection refused');
  });

  test.each<[Partial<ConnectOptions>, string]>([
    [{ endpoints: 'n1' }, 'host:port'],
    [{ endpoints: [] }, 'no endpoint'],
    [{ endpoints: 'n1:0' }, 'host:port'],
    [{ endpoints: 'n1:7100,n2:99999' }, 'n2:99999'],
    [{ clusterId: 'abc' }, 'cluster id'],
    [{ requestTimeoutMs: 0 }, 'requestTimeoutMs'],
    [{ requestTimeoutMs: Infinity }, 'requestTimeoutMs'],
    [{ inFlightMax: 10_000 }, '8192'],
    [{ queueMax: 0.5 }, 'queueMax'],
    [{ queueBytesMax: -1 }, 'queueBytesMax'],
  ])('does not take %j', async (options, named) => {
    const world = new World();
    const error = await world.rejection(connect({ endpoints: 'n1:7100', ports: world.ports(), ...options }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as ArgumentError).message).toContain(named);
  });

  test('takes endpoints as one text, and IPv6 in brackets', async () => {
    const world = new World();
    world.node('n2').follow(null);
    const connecting = connect({ endpoints: '[::1]:7100, n2:7100', ports: world.ports() });
    await world.settle((await world.settle(connecting)).close());
  });
});

describe('append', () => {
  test('resolves with where the record lies', async () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const client = await world.client(['n1']);
    expect(await world.settle(client.append('grüß dich'))).toEqual({ index: 10, ordinal: 0, term: 3 });
    expect(await world.settle(client.append(bytes('bytes')))).toEqual({ index: 11, ordinal: 0, term: 3 });
    expect(await world.settle(client.appendBatch(['x', bytes('y')]))).toEqual({
      index: 12,
      count: 2,
      term: 3,
    });
    expect(node.appended).toEqual(['grüß dich', 'bytes', 'x+y']);
    await world.settle(client.close());
  });

  test('keeps the order of calls that do not wait for each other', async () => {
    const world = new World();
    const node = world.node('n1');
    node.lead();
    const client = await world.client(['n1'], { inFlightMax: 3 });
    const records = Array.from({ length: 20 }, (_, at) => `r${at}`);
    const stored = await world.settle(Promise.all(records.map((record) => client.append(record))));
    expect(stored.map(({ index }) => index)).toEqual(records.map((_, at) => 10 + at));
    expect(node.appended).toEqual(records);
  });

  test('has its own time', async () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const client = await world.client(['n1']);
    const error = await world.rejection(client.append('a', { timeoutMs: 250 }));
    expect(error).toBeInstanceOf(TimeoutUnknownError);
    expect(error).toMatchObject({ code: 'TIMEOUT_UNKNOWN', outcome: 'unknown', retryable: false });
    expect((error as DledgerError).hint).toContain('second time');
    expect(await world.rejection(client.append('a', { timeoutMs: 0 }))).toBeInstanceOf(ArgumentError);
  });

  test('is ended by a signal: unknown once it was sent, otherwise without effect', async () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
    };
    const client = await world.client(['n1'], { inFlightMax: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const calls = ['sent', 'waiting'].map((record) => world.rejection(client.append(record, { signal })));
    world.until(() => node.appends.length === 1);
    controller.abort();
    const errors = await Promise.all(calls);
    expect(errors.map((error) => (error as AbortedError).outcome)).toEqual(['unknown', 'none']);
    expect(await world.rejection(client.append('late', { signal }))).toMatchObject({
      code: 'ABORTED',
      outcome: 'none',
    });
    expect(node.appended).toEqual(['sent']);
  });

  test('refuses an empty batch', async () => {
    const world = new World();
    world.node('n1').lead();
    const client = await world.client(['n1']);
    expect(await world.rejection(client.appendBatch([]))).toBeInstanceOf(ArgumentError);
    expect(() => client.createProducer().send([], () => undefined)).toThrow(ArgumentError);
  });
});

describe('status', () => {
  test('asks the endpoints and every member that they name, each once', async () => {
    const world = new World();
    const [n1, n2, n3] = [world.node('n1'), world.node('n2'), world.node('n3')];
    const members = [n1, n2, n3].map((node) => ({
      id: node.id,
      address: node.address,
      role: 'voter' as const,
      incarnation: 1,
    }));
    const missing = { id: 'n4' as NodeId, address: 'n4:7100', role: 'voter' as const, incarnation: null };
    for (const node of [n1, n2, n3]) {
      // One who led in an earlier term does not know that it is over.
      const role = node === n2 || node === n3 ? 'leader' : 'follower';
      const term = node === n2 ? 2 : 3;
      node.onRequest = (request) => request.status({}, { role, term, members: [...members, missing] });
    }
    const client = await world.client(['n1']);
    const status = await world.settle(client.status());
    expect(status).toMatchObject({ clusterId: 'c0ffee00c0ffee00c0ffee00c0ffee00', leaderId: 'n3', term: 3 });
    expect(status.nodes.map(({ nodeId, address, error }) => [nodeId, address, error])).toEqual([
      ['n1', 'n1:7100', null],
      ['n2', 'n2:7100', null],
      ['n3', 'n3:7100', null],
      ['n4', 'n4:7100', 'connection refused'],
    ]);
    for (const node of [n1, n2, n3]) expect(node.requests).toHaveLength(1);
  });

  test('works without a leader, and is not held up by nodes that hang or talk nonsense', async () => {
    const world = new World();
    const [n1, n2, n3] = [world.node('n1'), world.node('n2'), world.node('n3')];
    n1.follow(null);
    n1.onRequest = (request) => request.status({});
    n2.follow(null);
    n2.onRequest = () => undefined;
    n3.onRequest = (request) => request.session.write(FrameKind.STATUS_RESULT, request.id, [bytes('!')]);
    const client = await world.client(['n1', 'n2', 'n3', 'n4']);
    const status = await world.settle(client.status({ timeoutMs: 300 }));
    expect(world.clock.monotonicMs()).toBeLessThan(320);
    expect(status.leaderId).toBeNull();
    expect(status.term).toBe(3);
    const errors = Object.fromEntries(status.nodes.map(({ address, error }) => [address, error]));
    expect(errors['n1:7100']).toBeNull();
    expect(errors['n2:7100']).toBe('no answer within 300 ms');
    expect(errors['n3:7100']).toContain('nonsense');
    expect(errors['n4:7100']).toBe('connection refused');
  });

  test('counts a node once that is reached by two names', async () => {
    const world = new World();
    const [n1, alias] = [world.node('n1'), world.node('alias')];
    for (const node of [n1, alias]) {
      node.onRequest = (request) => request.status({ nodeId: 'n1' as NodeId, bootId: 77 });
    }
    const client = await world.client(['alias', 'n1']);
    const status = await world.settle(client.status());
    expect(status.nodes).toHaveLength(1);
  });

  test('of nobody is empty, not an error', async () => {
    const world = new World();
    world.node('n1').follow(null);
    const client = await world.client(['n1']);
    world.network.kill('n1');
    expect(await world.settle(client.status())).toEqual({
      clusterId: null,
      leaderId: null,
      term: null,
      nodes: [{ nodeId: null, address: 'n1:7100', status: null, error: 'connection refused' }],
    });
  });
});

describe('transferLeadership', () => {
  test('waits for the end, though others on this client are turned away meanwhile', async () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n2.follow(n1);
    n1.onRequest = (request) => {
      if (request.frame.kind !== FrameKind.TRANSFER_LEADERSHIP) return;
      for (const other of n1.requests)
        if (other !== request) other.failed('NOT_LEADER', { leaderAddress: n2.address });
      const result = { from: n1.id, to: n2.id, term: 4 as Term, tookMs: 12 };
      world.clock.setTimer(20, () =>
        request.session.write(FrameKind.TRANSFERRED, request.id, [encodeTransferred(result)]),
      );
    };
    const client = await world.client(['n1']);
    const following = client.tail().next();
    world.until(() => n1.requests.length === 1);
    expect(await world.settle(client.transferLeadership('n2'))).toEqual({
      from: 'n1',
      to: 'n2',
      term: 4,
      tookMs: 12,
    });
    const closing = client.close();
    expect(await world.rejection(following)).toBeInstanceOf(ClosedError);
    await world.settle(closing);
  });

  test('is not asked for again where leadership was lost meanwhile, as reads are', async () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.onRequest = (request) => request.failed('LEADERSHIP_LOST', { leaderAddress: n2.address });
    n2.onRequest = (request) => request.failed('OUT_OF_RANGE');
    const client = await world.client(['n1']);
    expect(await world.rejection(client.transferLeadership())).toMatchObject({ code: 'LEADERSHIP_LOST' });
    expect(await world.rejection(client.tail().next())).toMatchObject({ code: 'OUT_OF_RANGE' });
  });

  test('goes to the next leader where the first turned it away', async () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.onRequest = (request) => request.failed('NOT_LEADER', { leaderAddress: n2.address });
    n2.onRequest = (request) => {
      const result = { from: n2.id, to: n1.id, term: 4 as Term, tookMs: 12 };
      request.session.write(FrameKind.TRANSFERRED, request.id, [encodeTransferred(result)]);
    };
    const client = await world.client(['n1']);
    expect(await world.settle(client.transferLeadership())).toMatchObject({ from: 'n2', to: 'n1' });
  });

  test('says why not, and that it does not know where the answer was lost', async () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => request.failed('TRANSFER_REFUSED');
    const client = await world.client(['n1']);
    expect(await world.rejection(client.transferLeadership())).toMatchObject({
      code: 'TRANSFER_REFUSED',
      message: 'because of TRANSFER_REFUSED',
      outcome: 'none',
    });
    node.onRequest = (request) => request.session.connection.destroy();
    expect(await world.rejection(client.transferLeadership())).toMatchObject({ outcome: 'unknown' });
    // It might have been done twice: it is not asked for again.
    expect(node.requests).toHaveLength(2);
    expect(await world.rejection(client.transferLeadership('no such name'))).toBeInstanceOf(ArgumentError);
  });
});

describe('reading', () => {
  test('from what is no index is refused at once', async () => {
    const world = new World();
    world.node('n1').lead();
    const client = await world.client(['n1']);
    for (const from of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => client.read({ from })).toThrow(ArgumentError);
      expect(() => client.tail({ from })).toThrow(ArgumentError);
      expect(await world.rejection(client.get(from))).toBeInstanceOf(ArgumentError);
    }
  });

  test('stops at a signal and leaves nothing behind', async () => {
    const world = new World();
    const node = world.node('n1');
    const client = await world.client(['n1']);
    const controller = new AbortController();
    const seen: LogRecord[] = [];
    const following = (async () => {
      for await (const record of client.tail({ signal: controller.signal })) seen.push(record);
    })();
    const rejected = world.rejection(following);
    world.until(() => node.requests.length === 1);
    controller.abort();
    expect(await rejected).toMatchObject({ code: 'ABORTED', outcome: 'none' });
    const got = world.rejection(client.get(1, { signal: controller.signal }));
    expect(await got).toBeInstanceOf(AbortedError);
    await world.settle(client.close());
    world.clock.runUntilIdle(10_000);
  });
});

describe('a closed client', () => {
  test('rejects what waits and what comes later, and leaves nothing behind', async () => {
    const world = new World();
    const node = world.node('n1');
    node.onRequest = (request) => {
      if (request.frame.kind === FrameKind.OPEN_PRODUCER) request.opened(7);
      else if (request.frame.kind === FrameKind.READ) request.failed('OVERLOADED');
    };
    const client = await world.client(['n1']);
    const sent: (DledgerError | null)[] = [];
    client.createProducer().send(bytes('p'), (error) => sent.push(error));
    const waiting = [client.append('a'), client.get(1), client.read().next(), client.transferLeadership()];
    const rejected = Promise.all(waiting.map((call) => world.rejection(call)));
    world.until(() => node.appends.length === 2 && node.requests.length >= 7);
    const closing = client.close();
    const errors = (await rejected) as DledgerError[];
    await world.settle(closing);
    expect(errors.map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED']);
    expect(errors.map(({ outcome }) => outcome)).toEqual(['unknown', 'none', 'none', 'unknown']);
    expect(sent).toMatchObject([{ code: 'CLOSED', outcome: 'unknown' }]);
    for (const call of [client.append('b'), client.status(), client.get(1), client.transferLeadership()]) {
      expect(await world.rejection(call)).toMatchObject({ code: 'CLOSED', outcome: 'none' });
    }
    expect(() => client.createProducer()).toThrow(ClosedError);
    await world.settle(client.close());
    world.clock.advanceBy(60_000);
    expect(world.clock.pendingCount).toBe(0);
    expect(node.sessions.every((session) => !session.isOpen)).toBe(true);
  });
});
