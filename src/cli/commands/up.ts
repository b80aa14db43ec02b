import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { NodeEvent } from '../../node/index.ts';
import { CliError, usageError } from '../cli-error.ts';
import { flag, number, text, type Call, type Command } from '../command.ts';
import { serveControl } from '../control.ts';
import { ElectionStory } from '../election-story.ts';
import { ExitCode } from '../exit-code.ts';
import {
  controlSocket,
  defaultDataDirectory,
  isAlive,
  readLocalCluster,
  rememberLastUp,
  writeLocalCluster,
  type LocalCluster,
} from '../local-cluster.ts';
import { say } from '../output.ts';
import { printable } from '../printable.ts';
import { Supervisor } from '../supervisor.ts';
import { NODE_FLAGS } from './start.ts';

const HOST = '127.0.0.1';
const PORT_FIRST = 7101;
const NODES_MAX = 7;
const NODES_DEFAULT = 3;

export const up: Command = {
  path: 'up',
  describe: 'run a cluster on this machine: nodes as child processes, stopped together',
  isClient: false,
  flags: [
    {
      name: 'nodes',
      type: 'number',
      describe: `how many, 1 to ${NODES_MAX} (default ${NODES_DEFAULT}, or as many as the data directory has)`,
    },
    {
      name: 'data',
      type: 'string',
      describe:
        'directory of the cluster (default ./.dledger); the same one again goes on with what is there',
    },
    {
      name: 'ports',
      type: 'number',
      describe: `first port; the nodes take this and the following (default ${PORT_FIRST}, or free ones if these are taken)`,
    },
    ...NODE_FLAGS,
    {
      name: 'verbose',
      alias: 'v',
      type: 'boolean',
      describe: 'show every event of every node',
      default: false,
    },
  ],
  examples: [
    ['$0 up', 'three nodes'],
    ['$0 up --nodes 5 --data /tmp/five', 'five, elsewhere'],
  ],
  run: async (call) => runUp(call),
};

async function runUp(call: Call): Promise<number> {
  const dataDirectory = path.resolve(text(call, 'data') ?? defaultDataDirectory());
  makeDirectory(dataDirectory);
  const cluster = await settleCluster(call, dataDirectory);
  writeLocalCluster(dataDirectory, { ...cluster, upPid: process.pid });
  rememberLastUp(dataDirectory);
  const story = new ElectionStory();
  const isVerbose = flag(call, 'verbose');
  const supervisor = new Supervisor(cluster.nodes, dataDirectory, passOn(call), {
    onEvent: (id, event) => {
      if (isVerbose) say(line(id, event));
      else if (event.level === 'error') say(line(id, event));
      for (const told of story.hear(id, event)) say(told);
      if (story.isFirstLeader(event)) showNext(supervisor, id);
    },
    onLine: (id, told) => say(`${id}: ${printable(told)}`),
    onDeath: (id, how) =>
      say(
        `✗ ${id} ended (${how}); start it again with: ${binary()} node restart ${id}   (log: ${supervisor.logFile(id)})`,
      ),
  });
  say(
    `starting ${cluster.nodes.map((node) => `${node.id} on ${node.address}`).join(', ')}; data in ${dataDirectory}`,
  );
  for (const { id } of cluster.nodes) supervisor.start(id);
  await untilStopped(supervisor, dataDirectory);
  say('stopping all nodes');
  await supervisor.stopAll();
  writeLocalCluster(dataDirectory, { ...cluster, upPid: null });
  return ExitCode.ok;
}

/** The cluster that lies in this directory, or a new one. */
async function settleCluster(call: Call, dataDirectory: string): Promise<LocalCluster> {
  const found = readLocalCluster(dataDirectory);
  const nodes = number(call, 'nodes');
  if (nodes !== null && (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX)) {
    throw usageError(`--nodes ${nodes} is not an integer in 1..${NODES_MAX}`);
  }
  if (found === null) {
    const ports = await choosePorts(number(call, 'ports'), nodes ?? NODES_DEFAULT);
    return {
      nodes: ports.map((port, at) => ({ id: `n${at + 1}`, address: `${HOST}:${port}` })),
      upPid: null,
    };
  }
  if (found.upPid !== null && isAlive(found.upPid) && fs.existsSync(controlSocket(dataDirectory))) {
    throw new CliError(
      'ALREADY_UP',
      ExitCode.usage,
      `the cluster in ${dataDirectory} is up already (pid ${found.upPid})`,
      {
        next: 'stop it with `dledger down`, or give another --data',
      },
    );
  }
  if (nodes !== null && nodes !== found.nodes.length) {
    throw usageError(
      `the cluster in ${dataDirectory} has ${found.nodes.length} nodes, not ${nodes}`,
      'leave --nodes out to go on with it, or give another --data',
    );
  }
  return found;
}

async function choosePorts(first: number | null, count: number): Promise<number[]> {
  if (first !== null && (!Number.isInteger(first) || first < 1 || first + count > 65_536)) {
    throw usageError(`--ports ${first} is not a port`);
  }
  const wanted = Array.from({ length: count }, (_, at) => (first ?? PORT_FIRST) + at);
  const taken = (await Promise.all(wanted.map(async (port) => ((await isFree(port)) ? null : port)))).filter(
    (port) => port !== null,
  );
  if (taken.length === 0) return wanted;
  if (first !== null)
    throw new CliError('PORT_IN_USE', ExitCode.usage, `ports in use: ${taken.join(', ')}`, {
      next: 'give another --ports',
    });
  return Promise.all(wanted.map(async () => freePort()));
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function untilStopped(supervisor: Supervisor, dataDirectory: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const control = serveControl(controlSocket(dataDirectory), supervisor, () => end());
    const end = (): void => {
      control.close();
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end);
  });
}

function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw usageError(
      `cannot make the data directory ${directory}: ${(error as Error).message}`,
      'give another --data',
    );
  }
}

/** What was set for the nodes. */
function passOn(call: Call): string[] {
  return NODE_FLAGS.flatMap((candidate) => {
    const value = call.values.get(candidate.name);
    return value === undefined || value === candidate.default
      ? []
      : [`--${candidate.name}`, ...(value === true ? [] : [String(value)])];
  });
}

function line(id: string, event: NodeEvent): string {
  return `${new Date(event.at).toISOString().slice(11, 23)} ${event.level.padEnd(5)} ${id} ${printable(event.text)}`;
}

function showNext(supervisor: Supervisor, leader: string): void {
  const command = binary();
  say('');
  say('the cluster is up. In another terminal:');
  say(`  ${command} append -d "hello"        store a record; a majority has it on disk when this returns`);
  say(`  ${command} read                     read it back`);
  say(`  ${command} cluster status           who leads, and how far everybody is`);
  say(
    `  kill -9 ${supervisor.pid(leader) ?? '?'}${' '.repeat(Math.max(1, 26 + command.length - String(supervisor.pid(leader)).length - 8))}kill the leader, and watch another take over`,
  );
  say('Ctrl-C stops all nodes; the same command goes on where they stopped.');
  say('');
}

function binary(): string {
  return fs.existsSync('bin/dledger') ? './bin/dledger' : 'dledger';
}
