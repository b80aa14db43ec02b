import { describe, expect, test } from 'vitest';
import { LeaderLink } from '../../src/client/leader-link.ts';
import { errorInfo, type ErrorInfo } from '../../src/wire/errors.ts';
import { World, endpointsOf } from './support/world.ts';

/** A link whose ups and downs are noted. */
class Watched {
  readonly link: LeaderLink;
  readonly events: string[] = [];
  refusal: ErrorInfo | null = null;

  constructor(world: World, hosts: readonly string[], wants: 'leader' | 'anyNode' = 'leader') {
    const options = { endpoints: endpointsOf(hosts), clusterId: null, wants };
    this.link = new LeaderLink(options, world.ports(), {
      onUp: (_session, ack) => this.events.push(`up ${ack.nodeId}`),
      onFrame: () => undefined,
      onDown: (why) => this.events.push(`down: ${why}`),
      onRefused: (refusal) => {
        this.refusal = refusal;
      },
    });
    this.link.open();
  }

  get last(): string | undefined {
    return this.events.at(-1);
  }
}

describe('the leader is found', () => {
  test('from any endpoint, by what the node says', () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const world = new World(seed);
      const [n1, n2, n3] = [world.node('n1'), world.node('n2'), world.node('n3')];
      n1.follow(n3);
      n2.follow(n3);
      n3.lead();
      const watched = new Watched(world, ['n1', 'n2']);
      world.until(() => watched.events.length === 1, 5);
      expect(watched.events).toEqual(['up n3']);
      expect(n1.hellos.length + n2.hellos.length).toBe(1);
    }
  });

  test('where a hint names a dead node, among the others', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.greeting = () => ({ leaderId: null, leaderAddress: 'n9:7100' });
    n2.follow(null);
    const watched = new Watched(world, ['n1', 'n2']);
    world.clock.advanceBy(100);
    n2.lead();
    world.until(() => watched.last === 'up n2', 100);
  });

  test('though two nodes name each other, and they are not asked in a loop', () => {
    const world = new World();
    const [n1, n2, n3] = [world.node('n1'), world.node('n2'), world.node('n3')];
    n1.follow(n2);
    n2.follow(n1);
    n3.follow(null);
    const watched = new Watched(world, ['n1', 'n2', 'n3']);
    world.clock.advanceBy(1000);
    const asked = n1.hellos.length + n2.hellos.length + n3.hellos.length;
    expect(asked).toBeGreaterThan(10);
    expect(asked).toBeLessThan(120);
    n3.lead();
    world.until(() => watched.last === 'up n3', 2000);
  });

  test('with pauses that grow to half a second while nobody leads', () => {
    const world = new World();
    const node = world.node('n1');
    node.follow(null);
    const times: number[] = [];
    const { greeting } = node;
    node.greeting = (hello) => {
      times.push(world.clock.monotonicMs());
      return greeting(hello);
    };
    const watched = new Watched(world, ['n1']);
    world.clock.advanceBy(20_000);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(pauses[0]).toBeLessThan(5);
    expect(pauses[1]).toBeGreaterThanOrEqual(5);
    expect(pauses[1]).toBeLessThan(12);
    const late = pauses.slice(-10);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(250);
    expect(Math.max(...late)).toBeLessThan(502);
    expect(new Set(late.map(Math.round)).size).toBeGreaterThan(1);
    expect(watched.link.tried).toBe('n1:7100 knows no leader');
  });

  test('anew after it died, though those that are left still name it for a while', () => {
    const world = new World();
    const [n1, n2, n3] = [world.node('n1'), world.node('n2'), world.node('n3')];
    n1.lead();
    n2.follow(n1);
    n3.follow(n1);
    const watched = new Watched(world, ['n1', 'n2', 'n3']);
    world.until(() => watched.last === 'up n1');
    world.clock.advanceBy(5000);
    world.network.kill('n1');
    world.until(() => watched.events.length === 2);
    expect(watched.last).toBe('down: reset the connection');
    world.clock.advanceBy(50);
    n2.lead();
    n3.follow(n2);
    // By a pause of the third round at most.
    world.until(() => watched.last === 'up n2', 45);
  });

  test('among the others when it fell silent: a stopped process takes connections and does not greet', () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const world = new World(seed);
      const [n1, n2, n3] = [world.node('n1'), world.node('n2'), world.node('n3')];
      n1.lead();
      n2.follow(n1);
      n3.follow(n1);
      const watched = new Watched(world, ['n1', 'n2', 'n3']);
      world.until(() => watched.last === 'up n1');
      n1.answersPings = false;
      n1.greeting = () => 'silence';
      world.until(() => watched.events.length === 2, 1000);
      expect(watched.last).toMatch(/^down: silent/);
      // Those that are left elect one after a while; until then they still name it.
      world.clock.advanceBy(100);
      n3.lead();
      n2.follow(n3);
      // Not once more 500 ms for a greeting that does not come.
      world.until(() => watched.last === 'up n3', 150);
    }
  });

  test('anew without pauses once it has proved to be one', () => {
    const world = new World();
    const node = world.node('n1');
    node.follow(null);
    const watched = new Watched(world, ['n1']);
    world.clock.advanceBy(10_000);
    node.lead();
    world.until(() => watched.last === 'up n1', 600);
    watched.link.confirm();
    world.network.reset('client', 'n1');
    world.until(() => watched.events.length === 3, 5);
    expect(watched.last).toBe('up n1');
  });

  test('at an address that was only known by a hint, when the endpoints are gone', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.follow(n2);
    n2.lead();
    const watched = new Watched(world, ['n1']);
    world.until(() => watched.last === 'up n2');
    world.network.kill('n1');
    world.network.reset('client', 'n2');
    world.until(() => watched.events.length === 3, 100);
    expect(watched.last).toBe('up n2');
  });

  test('by asking on when a node turns this client away, as long as another may take it', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    n1.greeting = () => ({ refusal: errorInfo('WRONG_CLUSTER', 'of another cluster') });
    n2.follow(null);
    const watched = new Watched(world, ['n1', 'n2']);
    world.clock.advanceBy(1000);
    expect(watched.refusal).toBeNull();
    expect(watched.link.tried).toContain('n1:7100 refused: of another cluster');
    n2.lead();
    world.until(() => watched.last === 'up n2', 1000);
  });
});

test('when every node turns this client away the link gives up, until it is opened again', () => {
  const world = new World();
  const [n1, n2] = [world.node('n1'), world.node('n2')];
  for (const node of [n1, n2]) node.greeting = () => ({ refusal: errorInfo('UNAUTHORIZED', 'not you') });
  const watched = new Watched(world, ['n1', 'n2']);
  world.until(() => watched.refusal !== null, 100);
  expect(watched.refusal?.code).toBe('UNAUTHORIZED');
  world.clock.advanceBy(10_000);
  expect(n1.hellos.length + n2.hellos.length).toBe(2);
  n1.lead();
  watched.link.open();
  world.until(() => watched.last === 'up n1', 100);
});

test('a redirect is followed at once', () => {
  const world = new World();
  const [n1, n2] = [world.node('n1'), world.node('n2')];
  n1.lead();
  n2.lead();
  const watched = new Watched(world, ['n1']);
  world.until(() => watched.last === 'up n1');
  watched.link.redirect(errorInfo('NOT_LEADER', 'n2 does', { leaderId: 'n2', leaderAddress: n2.address }));
  expect(watched.last).toBe('down: says NOT_LEADER');
  expect(watched.link.session).toBeNull();
  world.until(() => watched.last === 'up n2', 2);
});

test('a link that wants any node takes the first, leader or not', () => {
  const world = new World();
  world.node('n1').follow(null);
  const watched = new Watched(world, ['n1'], 'anyNode');
  world.until(() => watched.last === 'up n1', 5);
});

test('a closed link leaves nothing behind', () => {
  const world = new World();
  world.node('n1').follow(null);
  const watched = new Watched(world, ['n1']);
  world.clock.advanceBy(100);
  watched.link.close();
  watched.link.open();
  world.clock.advanceBy(10_000);
  expect(world.clock.pendingCount).toBe(0);
  expect(watched.events).toEqual([]);
});
