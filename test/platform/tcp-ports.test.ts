import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { consecutive, freeRun, isPort, takenPorts } from '../../src/platform/tcp-ports.ts';

const servers: net.Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, 'close');
  }
});

async function take(port: number): Promise<void> {
  const server = net.createServer();
  servers.push(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

describe('ports', () => {
  test('that somebody uses are found', async () => {
    const [first = 0] = await freeRun(21_001, 3);
    await take(first + 1);
    expect(await takenPorts([first, first + 1, first + 2])).toEqual([first + 1]);
    expect(await takenPorts([])).toEqual([]);
  });

  test('of a new cluster come one after the other, at the next place where all are free', async () => {
    const run = await freeRun(22_001, 3);
    expect(run).toEqual(consecutive(run[0] ?? 0, 3));
    await take(run[2] ?? 0);
    const next = await freeRun(run[0] ?? 0, 3);
    expect(next[0]).toBeGreaterThan(run[2] ?? 0);
    expect(await takenPorts(next)).toEqual([]);
  });

  test('are whole numbers that a socket can have', () => {
    expect([1, 7101, 65_535].every(isPort)).toBe(true);
    expect([0, -1, 65_536, 1.5, Number.NaN].some(isPort)).toBe(false);
  });
});
