import { Writable } from 'node:stream';
import type { NodeId } from '../../src/base/units.ts';
import type { NodeStatus, WatchedNode } from '../../src/client/index.ts';

const NODES = 5;
/** Of the frames: the runtime compiles and its caches fill. */
const WARM_UP_SHARE = 0.25;
const GROWTH_MIB_MAX = 8;

/**
 * Draws frame after frame, each of them different, on a terminal that is not there, and looks at the heap. React and Ink
 * run as in the console itself: the production build, one render a frame.
 */
export async function consoleSoak(frames: number): Promise<boolean> {
  process.env['NODE_ENV'] = 'production';
  process.env['CI'] = 'false';
  const { render } = await import('ink');
  const { createElement } = await import('react');
  const { App } = await import('../../src/cli/console/app.ts');
  const { ConsoleStore } = await import('../../src/cli/console/store.ts');
  const { UNICODE } = await import('../../src/cli/console/theme.ts');
  const screen = new Screen();
  const store = new ConsoleStore({
    isReadOnly: false,
    environment: 'dev',
    managed: new Set(),
    publishEveryMs: 0,
    nowMs: () => performance.now(),
    unixMs: () => Date.now(),
    later: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  });
  const app = render(createElement(App, { store, glyphs: UNICODE, onEffect: async () => null }), {
    stdout: screen as unknown as NodeJS.WriteStream,
    stdin: screen as unknown as NodeJS.ReadStream,
    maxFps: 1000,
    patchConsole: false,
    incrementalRendering: true,
  });
  const heaps: number[] = [];
  const begunMs = performance.now();
  for (let frame = 0; frame < frames; frame += 1) {
    for (let node = 0; node < NODES; node += 1) store.onNode(nodeAt(node, frame));
    store.onEvents(nodeAt(0, frame), [
      { sequence: frame, at: Date.now(), level: 'info', code: 'soak', text: `frame ${frame}`, fields: {} },
    ]);
    store.refresh();
    await new Promise((resolve) => setImmediate(resolve));
    if (frame % Math.ceil(frames / 20) === 0) {
      globalThis.gc?.();
      heaps.push(process.memoryUsage().heapUsed / 2 ** 20);
    }
  }
  const tookS = (performance.now() - begunMs) / 1000;
  app.unmount();
  store.close();
  const warm = heaps.slice(Math.ceil(heaps.length * WARM_UP_SHARE));
  const growth = (warm.at(-1) ?? 0) - (warm[0] ?? 0);
  const good = growth <= GROWTH_MIB_MAX;
  process.stderr.write(
    `${good ? 'good' : 'BAD'}: ${frames} frames in ${tookS.toFixed(1)} s, ${screen.writes} written; heap ${heaps.map((heap) => heap.toFixed(1)).join(' ')} MiB; ` +
      `grew by ${growth.toFixed(1)} MiB after warming up, limit ${GROWTH_MIB_MAX}\n`,
  );
  return good;
}

/** Takes what is drawn and forgets it. */
class Screen extends Writable {
  readonly columns = 120;
  readonly rows = 40;
  readonly isTTY = true;
  writes = 0;

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    this.writes += 1;
    done();
  }

  setRawMode(): this {
    return this;
  }

  setEncoding(): this {
    return this;
  }

  read(): null {
    return null;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

function nodeAt(node: number, frame: number): WatchedNode {
  const nodeId = `n${node + 1}` as NodeId;
  const address = `127.0.0.1:710${node + 1}`;
  const index = frame * 7 + node;
  const status: NodeStatus = {
    nodeId,
    incarnation: 1,
    bootId: node + 1,
    clusterId: 'c'.repeat(32),
    version: '0.1.0',
    durability: 'quorum-sync',
    address,
    startedAtMs: 0,
    counters: { appendsAccepted: index },
    unsafe: [],
    pace: { syncMs: { p50: 1, p99: 2 + (frame % 10), max: 20 }, commitMs: null, loopDelayMs: frame % 7 },
    disk: { freeBytes: 60, totalBytes: 100 },
    allowsFaults: true,
    faults: [],
    snapshots: [],
    groups: [
      {
        group: 1,
        role: node === 0 ? 'leader' : 'follower',
        term: 1 + Math.floor(frame / 1000),
        votedFor: null,
        leaderId: 'n1' as NodeId,
        firstIndex: 1,
        lastIndex: index,
        lastTerm: 1,
        durableIndex: index,
        commitIndex: index,
        appliedIndex: index,
        members: [],
        eligible: true,
        ineligibleWhy: null,
        progress: [],
        lastElection: null,
      },
    ],
  };
  return { nodeId, address, isUp: true, why: null, status, heardAtMs: performance.now() };
}
