import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, run } from './support/cluster.ts';
import { freePorts } from '../support/free-ports.ts';
import { TerminalSession } from './support/terminal.ts';

// The console on real terminals, before a real cluster whose leader is killed while it runs.

let cluster: Cluster;
let session: TerminalSession | null = null;

beforeAll(async () => {
  cluster = await Cluster.start(3, ['--allow-faults']);
});

afterEach(async () => {
  await session?.end();
  session = null;
});

afterAll(async () => {
  await cluster.stop();
});

function open(
  args: readonly string[] = [],
  options: { columns?: number; rows?: number; env?: Record<string, string> } = {},
): TerminalSession {
  session = new TerminalSession(['console', '--endpoints', cluster.endpoints, ...args], {
    cwd: cluster.directory,
    ...options,
  });
  return session;
}

/** All there, and the whole of it drawn. */
function isWhole(screen: string, rows: readonly string[]): boolean {
  return screen.includes('3/3 up') && screen.includes('★ LEADER') && (rows.at(-1) ?? '').includes('q quit');
}

describe('the console of `up`', () => {
  test('does not keep the cluster from being taken down', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-e2e-'));
    const [port] = await freePorts(1);
    const up = new TerminalSession(['up', '--nodes', '1', '--ports', String(port), '--console'], {
      cwd: directory,
    });
    try {
      await up.until((text) => text.includes('1/1 up') && text.includes('★ LEADER'));
      const { code, stdout } = await run(['down'], { cwd: directory });
      expect([code, stdout]).toEqual([0, 'stopped n1\n']);
      expect(await up.exited).toMatchObject({ exitCode: 0 });
      expect(up.isRestored).toBe(true);
    } finally {
      await up.end();
      fs.rmSync(directory, { recursive: true, force: true });
    }
  });

  test('leaves the cluster up when it is quit', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-e2e-'));
    const [port] = await freePorts(1);
    const up = new TerminalSession(['up', '--nodes', '1', '--ports', String(port), '--console'], {
      cwd: directory,
    });
    try {
      await up.until((text) => text.includes('1/1 up') && text.includes('★ LEADER'));
      up.type('q');
      await up.until((text) => text.includes('the console is closed, and the cluster goes on'));
      expect((await run(['cluster', 'health'], { cwd: directory })).code).toBe(0);
      up.kill('SIGTERM');
      expect(await up.exited).toMatchObject({ exitCode: 0 });
    } finally {
      await up.end();
      fs.rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('the console', () => {
  test.each([
    [60, 15],
    [80, 24],
    [120, 40],
    [200, 60],
  ])('fits a terminal of %ix%i, and gives it back as it was', async (columns, rows) => {
    const console_ = open([], { columns, rows });
    await console_.until(isWhole);
    expect(console_.isRestored).toBe(false);
    expect(console_.screen.every((row) => row.length <= columns)).toBe(true);
    console_.type('q');
    expect(await console_.exited).toMatchObject({ exitCode: 0 });
    expect(console_.isRestored).toBe(true);
    expect(console_.screen.join('\n')).toContain('● HEALTHY');
    // The cursor is shown again.
    expect(console_.output.lastIndexOf('\u001b[?25h')).toBeGreaterThan(
      console_.output.lastIndexOf('\u001b[?25l'),
    );
  });

  test('runs a drill on nodes of its own, and says what came of it and where the report is', async () => {
    const console_ = open([], { columns: 120, rows: 40 });
    await console_.until(isWhole);
    console_.type('6');
    await console_.until((text) => text.includes('▸ all-killed'));
    console_.type('S');
    await console_.until((text) => text.includes('Start all-killed?'));
    console_.type('y');
    await console_.until((text) => text.includes('all-killed runs') && text.includes('with nothing broken'));
    const screen = await console_.until((text) => text.includes('PASS  all-killed'));
    expect(screen).toContain('no-loss: acked.missing = 0');
    const runs = fs.readdirSync(path.join(cluster.directory, '.dledger/drills'));
    expect(runs).toHaveLength(1);
    const [run_ = ''] = runs;
    expect(fs.readdirSync(path.join(cluster.directory, '.dledger/drills', run_))).toContain('report.html');
    console_.type('q');
    expect(await console_.exited).toMatchObject({ exitCode: 0 });
  });

  test('says who leads, why, and how long nobody did, when the leader is killed', async () => {
    const console_ = open();
    await console_.until(isWhole);
    const leader = await cluster.leader();
    await cluster.kill(leader);
    const screen = await console_.until(
      (text) => text.includes('▲ DEGRADED') && text.includes('★ LEADER') && text.includes('nobody led for'),
    );
    expect(screen).toMatch(new RegExp(`${leader} +✗ down`));
    expect(screen).toMatch(/election {2}n\d .* ago, nobody led for .*: the process that led was gone/);
    cluster.startNode(leader);
    await console_.until(isWhole);
  });

  test('follows a change of size', async () => {
    const console_ = open();
    await console_.until(isWhole);
    console_.resize(120, 40);
    await console_.until((text, rows) => isWhole(text, rows) && rows[0]?.length === 119);
    console_.resize(60, 15);
    await console_.until((text, rows) => isWhole(text, rows) && (rows[0]?.length ?? 0) <= 60);
    console_.resize(40, 10);
    await console_.until((text) => text.includes('needs 60x15, has 40x10'));
  });

  test.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)('gives the terminal back on %s', async (signal) => {
    const console_ = open();
    await console_.until(isWhole);
    console_.kill(signal);
    await console_.exited;
    expect(console_.isRestored).toBe(true);
  });

  test('shows each screen by its digit, and the help', async () => {
    const console_ = open([], { columns: 100, rows: 30 });
    await console_.until(isWhole);
    for (const [key, shown] of [
      ['2', 'voted for'],
      ['3', 'Log tail of'],
      ['4', '[4 Topics]'],
      ['5', '[5 Events]'],
      ['?', 'any key closes'],
    ] as const) {
      console_.type(key);
      await console_.until((text) => text.includes(shown));
    }
  });

  test('cuts a node off when that is confirmed, shows the fault, and heals it', async () => {
    const console_ = open();
    const screen = await console_.until(isWhole);
    const at = screen.split('\n').findIndex((row) => row.includes('· follower')) - 4;
    for (let row = 0; row < at; row += 1) console_.type('j');
    // Keys that arrive in one piece with an order are a paste, and no order.
    await console_.until((text) => /▸ n\d +· follower/.test(text));
    console_.type('X');
    const asked = await console_.until(
      (text) => text.includes('y = yes') || text.includes('Type the node name to confirm'),
    );
    // Graver than it was a moment ago: on a busy machine the one that was chosen may lead by now.
    const named = /Cut (n\d) off from all others/.exec(asked)?.[1];
    console_.type(asked.includes('y = yes') ? 'y' : `${named}`);
    if (!asked.includes('y = yes')) {
      await console_.until((text) => text.includes(`confirm: ${named}_`));
      console_.type('\r');
    }
    await console_.until((text) => text.includes('hear nothing of each other') && text.includes('fault'));
    console_.type('H');
    await console_.until((text) => text.includes('healed'));
    await cluster.converged();
  });

  test('draws without colour, or with ASCII alone, where that is asked for', async () => {
    const plain = open([], { env: { NO_COLOR: '1' } });
    await plain.until(isWhole);
    // oxlint-disable-next-line no-control-regex
    expect(plain.output).not.toMatch(/\u001b\[[0-9;]*3[0-9]m/);
    await plain.end();
    const ascii = open(['--ascii']);
    const screen = await ascii.until((text) => text.includes('* LEADER') && text.includes('3/3 up'));
    // oxlint-disable-next-line no-control-regex
    expect(screen).toMatch(/^[\x0a\x20-\x7e]*$/);
  });

  test('prints one frame, or all it knows, without a terminal', async () => {
    const once = await run(['console', '--once', '--endpoints', cluster.endpoints]);
    expect(once.code).toBe(0);
    expect(once.stdout).toContain('● HEALTHY  3/3 up');
    const known = await run(['console', '--once', '-o', 'json', '--endpoints', cluster.endpoints]);
    const { data } = JSON.parse(known.stdout) as { data: { health: { state: string }; nodes: unknown[] } };
    expect(data.health.state).toBe('healthy');
    expect(data.nodes).toHaveLength(3);
    const none = await run(['console', '--endpoints', cluster.endpoints]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('the console needs a terminal');
  });

  test('reads changes out for a screen reader, and draws nothing', async () => {
    const reader = open(['--screen-reader']);
    await reader.until((text) => text.includes('became leader of term') && text.includes('is follower'));
    expect(reader.output).not.toContain('\u001b[');
  });
});
