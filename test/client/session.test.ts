import { describe, expect, test } from 'vitest';
import { Session, type SessionPorts } from '../../src/client/session.ts';
import { SimulatedProcess } from '../../src/sim/simulated-process.ts';
import { errorInfo, type ErrorInfo } from '../../src/wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../../src/wire/frame.ts';
import type { HelloAck } from '../../src/wire/handshake.ts';
import { WireError } from '../../src/wire/wire-error.ts';
import { CLUSTER_ID, PORT } from './support/scripted-node.ts';
import { World, bytes } from './support/world.ts';

const OTHER_CLUSTER = '1'.repeat(32);

class Observed {
  readonly session: Session;
  ack: HelloAck | null = null;
  closed: { why: string; refusal: ErrorInfo | null } | null = null;
  readonly frames: Frame[] = [];

  constructor(
    world: World,
    host: string,
    clusterId: string | null = null,
    onFrame?: (frame: Frame) => void,
    ports: SessionPorts = world.ports(),
  ) {
    this.session = new Session({ host, port: PORT }, clusterId, ports, {
      onGreeted: (ack) => {
        this.ack = ack;
      },
      onFrame: (frame) => {
        this.frames.push(frame);
        onFrame?.(frame);
      },
      onClosed: (why, refusal) => {
        expect(this.closed).toBeNull();
        this.closed = { why, refusal };
      },
    });
  }
}

describe('a greeting', () => {
  test('says that a client calls, and for which cluster', () => {
    const world = new World();
    const node = world.node('n1');
    const observed = new Observed(world, 'n1', CLUSTER_ID);
    world.until(() => observed.ack !== null);
    expect(node.hellos[0]).toMatchObject({
      role: 'client',
      clusterId: CLUSTER_ID,
      nodeId: null,
      lane: 'none',
    });
    expect(observed.ack?.nodeId).toBe('n1');
  });

  test('that is refused ends the session with what the node said', () => {
    const world = new World();
    const node = world.node('n1');
    node.greeting = () => ({ refusal: errorInfo('UNAUTHORIZED', 'not you') });
    const observed = new Observed(world, 'n1');
    world.until(() => observed.closed !== null);
    expect(observed.closed?.refusal).toMatchObject({ code: 'UNAUTHORIZED', message: 'not you' });
  });

  test('by a node of another cluster that did not look is refused on this side', () => {
    const world = new World();
    world.node('n1');
    const observed = new Observed(world, 'n1', OTHER_CLUSTER);
    world.until(() => observed.closed !== null);
    expect(observed.closed?.refusal?.code).toBe('WRONG_CLUSTER');
    expect(observed.closed?.why).toContain(CLUSTER_ID);
    expect(observed.ack).toBeNull();
  });

  test('by a node that has no cluster yet will do', () => {
    const world = new World();
    world.node('n1').greeting = () => ({ clusterId: null });
    const observed = new Observed(world, 'n1', OTHER_CLUSTER);
    world.until(() => observed.ack !== null);
    expect(observed.closed).toBeNull();
  });

  test('that does not come is not waited for, nor is a host that does not answer', () => {
    const world = new World();
    world.node('n1').greeting = () => 'silence';
    const mute = new Observed(world, 'n1');
    world.network.cut('n2', 'client');
    world.node('n2');
    const absent = new Observed(world, 'n2');
    world.until(() => mute.closed !== null && absent.closed !== null, 2500);
    expect(mute.closed?.why).toBe('does not greet back');
    expect(absent.closed?.why).toBe('does not answer');
  });

  test('where nobody listens is refused at once', () => {
    const world = new World();
    const observed = new Observed(world, 'n9');
    world.until(() => observed.closed !== null, 10);
    expect(observed.closed).toEqual({ why: 'connection refused', refusal: null });
  });

  test.each([
    ['another protocol', bytes('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a frame that is no greeting', concat(encodeFrame(FrameKind.PONG, 0, []))],
    ['a greeting that is cut short', concat(encodeFrame(FrameKind.HELLO_ACK, 0, [bytes('x')]))],
  ])('in %s ends the session', (_what, answer) => {
    const world = new World();
    world.node('n1').greeting = () => answer;
    const observed = new Observed(world, 'n1');
    world.until(() => observed.closed !== null, 10);
    expect(observed.closed?.why).toMatch(/nonsense|greeted back with/);
    expect(observed.ack).toBeNull();
  });
});

describe('a session', () => {
  test('pings a node that is silent, leaves alone one that speaks, and ends when no answer comes', () => {
    const world = new World();
    const node = world.node('n1');
    const observed = new Observed(world, 'n1');
    world.until(() => observed.ack !== null);
    world.clock.advanceBy(10_000);
    const [session] = node.sessions;
    expect(session?.pings).toBeGreaterThan(5);
    expect(observed.frames).toEqual([]);
    const before = session?.pings ?? 0;
    for (let at = 0; at < 20; at += 1) {
      session?.write(FrameKind.ERROR, 0, []);
      world.clock.advanceBy(100);
    }
    expect((session?.pings ?? 0) - before).toBeLessThanOrEqual(1);
    node.answersPings = false;
    world.until(() => observed.closed !== null, 4000);
    expect(observed.closed?.why).toMatch(/^silent for \d+ ms$/);
  });

  test('looks twice as often while it waits for an answer', () => {
    const silentMs = (asks: boolean): number => {
      const world = new World();
      const node = world.node('n1');
      node.answersPings = false;
      const observed = new Observed(world, 'n1');
      world.until(() => observed.ack !== null);
      world.clock.advanceBy(10);
      if (asks) observed.session.send(encodeFrame(FrameKind.STATUS, 7, []));
      world.until(() => observed.closed !== null, 1000);
      return Number(/\d+/.exec(observed.closed?.why ?? '')?.[0]);
    };
    expect(silentMs(false)).toBe(400);
    expect(silentMs(true)).toBe(200);
  });

  test('does not take a pause of its own process for silence of the node', () => {
    const world = new World();
    world.node('n1');
    const process = new SimulatedProcess(world.clock, world.network.host('client'));
    const observed = new Observed(world, 'n1', null, undefined, process);
    world.until(() => observed.ack !== null);
    process.stop();
    world.clock.advanceBy(60_000);
    process.continue();
    world.clock.advanceBy(10_000);
    expect(observed.closed).toBeNull();
  });

  test('ends when its owner finds an answer that makes no sense', () => {
    const world = new World();
    const node = world.node('n1');
    const observed = new Observed(world, 'n1', null, () => {
      throw new WireError('BAD_BODY', 'three and three are seven');
    });
    world.until(() => observed.ack !== null);
    node.sessions[0]?.write(FrameKind.STATUS_RESULT, 1, []);
    world.until(() => observed.closed !== null, 10);
    expect(observed.closed?.why).toBe('spoke nonsense: three and three are seven');
  });

  test('ends, and does not hide it, when its owner has a bug', () => {
    const world = new World();
    const node = world.node('n1');
    const observed = new Observed(world, 'n1', null, () => {
      throw new TypeError('a bug');
    });
    world.until(() => observed.ack !== null);
    node.sessions[0]?.write(FrameKind.STATUS_RESULT, 1, []);
    expect(() => world.clock.advanceBy(10)).toThrow('a bug');
    expect(observed.closed).not.toBeNull();
  });

  test('sends what is queued before it is closed, and then says nothing more to its owner', () => {
    const world = new World();
    const node = world.node('n1');
    const observed = new Observed(world, 'n1');
    world.until(() => observed.ack !== null);
    observed.session.send(encodeFrame(FrameKind.STATUS, 5, []));
    observed.session.close();
    observed.session.send(encodeFrame(FrameKind.STATUS, 6, []));
    world.clock.advanceBy(10_000);
    expect(node.requests.map((request) => request.id)).toEqual([5]);
    expect(observed.closed).toBeNull();
    expect(world.clock.pendingCount).toBe(0);
  });
});

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}
