import net from 'node:net';

const HOST = '127.0.0.1';
const PORT_MAX = 65_535;
/** Distance between the places that are tried, and where to stop: below the ports that systems give to clients. */
const STEP = 10;
const PORT_LAST = 32_000;

/** Those of the ports that somebody uses on this machine. */
export async function takenPorts(ports: readonly number[]): Promise<number[]> {
  const taken = await Promise.all(ports.map(async (port) => ((await isFree(port)) ? null : port)));
  return taken.filter((port) => port !== null);
}

/**
 * A run of free ports at `first`, or at the next place where they are. Not ports of the system's choice: those it may
 * give to some client while the cluster is down.
 */
export async function freeRun(first: number, count: number): Promise<number[]> {
  for (let from = first; from + count <= PORT_LAST; from += STEP) {
    const run = consecutive(from, count);
    if ((await takenPorts(run)).length === 0) return run;
  }
  throw new Error(`no ${count} free ports from ${first} on`);
}

export function consecutive(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

export function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= PORT_MAX;
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}
