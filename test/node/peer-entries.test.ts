import { describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry } from '../../src/base/entry.ts';
import { Prng } from '../../src/base/prng.ts';
import type { GroupId, Incarnation, LogIndex, Term } from '../../src/base/units.ts';
import { PeerEntries } from '../../src/node/repair/peer-entries.ts';
import { SimulatedNetwork } from '../../src/sim/simulated-network.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { FrameKind } from '../../src/wire/frame.ts';
import { decodeGetEntries, encodeEntries } from '../../src/wire/log-codec.ts';
import { CLUSTER_ID, PORT, ScriptedNode, type ScriptedRequest } from '../client/support/scripted-node.ts';

/** Consecutive entries of a term, the first at index 5 and behind an entry with checksum 7. */
function entriesOf(term: number, count = 6): Entry[] {
  const drafts = Array.from({ length: count }, (_, at) => {
    const body = new TextEncoder().encode(`entry ${at} of term ${term}`);
    return { kind: EntryKind.noop, version: 1, queue: 0, recordCount: 0, body, bodyChecksum: crc32(body) };
  });
  const place = { group: 1 as GroupId, firstIndex: 5 as LogIndex, term: term as Term, time: 0 };
  return sealEntries(drafts, { ...place, previousChecksum: 7 });
}

/** Hands out what it has, as many entries at once. */
function serving(entries: readonly Entry[], pageEntries = 2): (request: ScriptedRequest) => void {
  return ({ session, frame, id }) => {
    const { first } = decodeGetEntries(frame.body);
    const page = entries.filter(({ index }) => index >= first).slice(0, pageEntries);
    session.write(FrameKind.ENTRIES, id, encodeEntries(page));
  };
}

type Answer = string | readonly number[];

/** One node that asks, and others that answer as a test says. */
class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: SimulatedNetwork = new SimulatedNetwork(this.clock, new Prng(1));
  readonly nodes: ScriptedNode[];
  readonly source: PeerEntries;
  answer: Answer | null = null;
  /** Whenever the node is entered, which may end then. */
  onEnter: () => void = () => undefined;

  constructor(...answers: ((request: ScriptedRequest) => void)[]) {
    this.nodes = answers.map((onRequest, at) => {
      const id = `n${at + 2}`;
      const node = new ScriptedNode(this.network.host(id), id);
      node.onRequest = onRequest;
      return node;
    });
    this.source = new PeerEntries({
      network: this.network.host('n1'),
      clock: this.clock,
      enter: () => this.onEnter(),
      hello: () => ({
        protocolVersion: 1,
        role: 'client',
        lane: 'none',
        clusterId: CLUSTER_ID,
        nodeId: null,
        incarnation: 1 as Incarnation,
        bootId: 0,
        priority: 0,
        redirects: true,
        forwarded: true,
        softwareVersion: 'test',
        credentials: null,
      }),
      peers: () => this.nodes.map(({ id }) => ({ id, address: { host: id, port: PORT } })),
    });
  }

  fetch(last = 10): void {
    this.answer = null;
    this.source.fetch(5 as LogIndex, last as LogIndex, 7, (entries) => {
      this.answer = typeof entries === 'string' ? entries : entries.map(({ term }) => term);
    });
  }

  ask(): Answer {
    this.fetch();
    this.clock.runUntil(() => this.answer !== null, 20_000);
    return this.answer ?? 'nothing';
  }

  get asked(): number[] {
    return this.nodes.map(({ requests }) => requests.length);
  }
}

const ALL_OF = (term: number): number[] => Array.from({ length: 6 }, () => term);

describe('entries from other nodes', () => {
  test('come page by page from one of them', () => {
    const world = new World(serving(entriesOf(1)), serving(entriesOf(1)));
    expect(world.ask()).toEqual(ALL_OF(1));
    expect(world.asked).toEqual([3, 0]);
  });

  test('are asked of another one each time, as those of the first may not fit', () => {
    const world = new World(serving(entriesOf(2)), serving(entriesOf(1)));
    expect([world.ask(), world.ask(), world.ask()]).toEqual([ALL_OF(2), ALL_OF(1), ALL_OF(2)]);
  });

  test('are asked of another one each time, however many ranges are asked for in turn', () => {
    const world = new World(serving(entriesOf(2)), serving(entriesOf(1)));
    const answers = [world.ask()];
    world.fetch(9);
    world.clock.runUntil(() => world.answer !== null, 1000);
    expect([...answers, world.ask()]).toEqual([ALL_OF(2), ALL_OF(1)]);
  });

  test('that do not continue the log, or no answer at all, are no hindrance while one has them', () => {
    const garbage = ({ session, id }: ScriptedRequest): void =>
      session.write(FrameKind.ENTRIES, id, [new Uint8Array(500).fill(3)]);
    const others = entriesOf(1).map(({ bytes }) => bytes.slice());
    const gap = ({ session, id }: ScriptedRequest): void =>
      session.write(FrameKind.ENTRIES, id, others.slice(1));
    const empty = ({ session, id }: ScriptedRequest): void => session.write(FrameKind.ENTRIES, id, []);
    const silent = (): void => undefined;
    const world = new World(garbage, gap, empty, silent, serving(entriesOf(1)));
    expect(world.ask()).toEqual(ALL_OF(1));
    expect(world.asked).toEqual([1, 1, 1, 1, 3]);
  });

  test('that nobody has are said to be missing, with what each said', () => {
    const world = new World(({ session, id }) => session.write(FrameKind.ENTRIES, id, []));
    expect(world.ask()).toMatch(/^n2: .*no entry/);
  });

  test('more than were asked for are left', () => {
    const world = new World(serving(entriesOf(1, 50), 50));
    expect(world.ask()).toEqual(ALL_OF(1));
  });

  test('are not asked for any more, nor told, when it is closed, at whatever moment', () => {
    const refusing = ({ session, id }: ScriptedRequest): void => session.write(FrameKind.ENTRIES, id, []);
    const whole = new World(refusing, serving(entriesOf(1)));
    let moments = 0;
    whole.onEnter = () => (moments += 1);
    expect(whole.ask()).toEqual(ALL_OF(1));
    expect(moments).toBeGreaterThan(5);
    for (let moment = 0; moment < moments; moment += 1) {
      const world = new World(refusing, serving(entriesOf(1)));
      let left = moment;
      let asked: number[] = [];
      world.onEnter = () => {
        left -= 1;
        if (left >= 0) return;
        asked = world.asked;
        world.source.close();
        world.onEnter = () => undefined;
      };
      world.fetch();
      world.clock.advanceBy(10_000);
      expect([world.answer, world.asked]).toEqual([null, asked]);
      expect(world.nodes.flatMap(({ sessions }) => sessions).some(({ isOpen }) => isOpen)).toBe(false);
    }
  });
});
