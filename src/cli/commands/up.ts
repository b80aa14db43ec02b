import { setTimeout as wait } from 'node:timers/promises';
import path from 'node:path';
import { DiskError, type DirectoryLock } from '../../base/ports/disk.ts';
import type { NodeEvent } from '../../node/index.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { makeDirectory } from '../../platform/make-directory.ts';
import { binaryName } from '../binary-name.ts';
import { CliError, usageError } from '../cli-error.ts';
import { flag, number, text, type Call, type Command } from '../command.ts';
import { ControlServer, type Order, type OrderResult } from '../control.ts';
import { ElectionStory } from '../election-story.ts';
import { ExitCode } from '../exit-code.ts';
import {
  defaultDirectory,
  isVacant,
  privateDirectory,
  readLocalCluster,
  rememberLastUp,
  writeLocalCluster,
} from '../local-cluster.ts';
import { logLine } from '../log-line.ts';
import { NODE_FLAGS, nodeSettingsOf } from '../node-flags.ts';
import { say } from '../output.ts';
import { consecutive, freeRun, isPort, takenPorts } from '../../platform/tcp-ports.ts';
import { printable } from '../printable.ts';
import { DemoLoad } from '../demo-load.ts';
import { runConsole } from './console.ts';
import { Supervisor, type SupervisedNode } from '../supervisor.ts';

const HOST = '127.0.0.1';
const PORT_FIRST = 7101;
const NODES_MAX = 7;
const NODES_DEFAULT = 3;
const LOAD_MAX = 10_000;
const ELECTION_WAIT_MS = 3000;

export const up: Command = {
  path: 'up',
  describe: 'run a cluster on this machine: nodes as child processes, stopped together',
  isClient: false,
  flags: [
    {
      name: 'nodes',
      type: 'number',
      describe: `how many, 1 to ${NODES_MAX}; default: ${NODES_DEFAULT}, or as many as the directory has`,
    },
    {
      name: 'data',
      type: 'string',
      describe:
        'directory of the cluster; the same one again goes on with what is there; default: ./.dledger',
    },
    {
      name: 'ports',
      type: 'number',
      describe: `first port, the nodes take it and the following; default: ${PORT_FIRST}, or the next that are free`,
    },
    ...NODE_FLAGS,
    {
      name: 'console',
      type: 'boolean',
      describe:
        'open the console once a leader is elected, where there is a terminal; closing it leaves the cluster up',
      default: false,
    },
    {
      name: 'load',
      type: 'number',
      describe: `with --console: append so many small records a second, so that the screen moves, up to ${LOAD_MAX}`,
      default: 0,
    },
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
    ['$0 up --nodes 5 --data ./five', 'five, elsewhere'],
  ],
  run: async (call) => {
    // What every node would refuse is refused before there is anything.
    nodeSettingsOf(call);
    const directory = path.resolve(text(call, 'data') ?? defaultDirectory());
    const lock = lockCluster(directory);
    try {
      return await runUp(call, directory);
    } finally {
      lock.release();
    }
  },
};

async function runUp(call: Call, directory: string): Promise<number> {
  const nodes = await settleNodes(call, directory);
  const load = number(call, 'load') ?? 0;
  if (!(load >= 0 && load <= LOAD_MAX)) throw usageError(`--load ${load} is not in 0..${LOAD_MAX}`);
  const talk = new Talk();
  const elected = Promise.withResolvers<void>();
  const supervisor = makeSupervisor(call, nodes, directory, talk, () => elected.resolve());
  const stopped = new Stopped();
  const control = await ControlServer.open(directory, async (order) => carryOut(order, supervisor, stopped));
  writeLocalCluster(directory, { nodes, control: control.path });
  rememberLastUp(directory);
  const where = nodes.map((node) => `${node.id} on ${node.address}`).join(', ');
  say(`starting ${where}; data in ${printable(directory)}`);
  supervisor.startAll();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.ask());
  if (hasConsole(call)) {
    // A cluster that finds no leader is a reason to look, not to wait.
    await Promise.race([elected.promise, wait(ELECTION_WAIT_MS), stopped.asked]);
    await showConsole(call, nodes, load, talk, stopped.asked);
    if (!stopped.isAsked) say('the console is closed, and the cluster goes on; Ctrl-C stops all nodes');
  }
  await stopped.asked;
  say('stopping all nodes');
  await supervisor.stopAll();
  writeLocalCluster(directory, { nodes, control: null });
  stopped.done();
  control.close();
  return ExitCode.ok;
}

/** Somebody wants everything stopped, and somebody may wait until it is. */
class Stopped {
  readonly asked: Promise<void>;
  readonly isDone: Promise<void>;
  isAsked = false;
  ask: () => void = () => undefined;
  done: () => void = () => undefined;

  constructor() {
    this.asked = new Promise((resolve) => {
      this.ask = () => {
        this.isAsked = true;
        resolve();
      };
    });
    this.isDone = new Promise((resolve) => {
      this.done = resolve;
    });
  }
}

async function carryOut(order: Order, supervisor: Supervisor, stopped: Stopped): Promise<OrderResult> {
  if (order.do === 'down') {
    stopped.ask();
    await stopped.isDone;
    return { ok: true, message: `stopped ${supervisor.ids.join(', ')}` };
  }
  if (!supervisor.ids.includes(order.node)) {
    return { ok: false, message: `there is no ${order.node}; there are ${supervisor.ids.join(', ')}` };
  }
  if (order.do !== 'restart') return signal(order.do, order.node, supervisor);
  const wasRunning = supervisor.pid(order.node) !== null;
  await supervisor.restart(order.node);
  const how = wasRunning ? 'restarted' : 'started';
  return { ok: true, message: `${order.node} ${how} (pid ${supervisor.pid(order.node) ?? '?'})` };
}

const SIGNALS = { pause: 'SIGSTOP', resume: 'SIGCONT', kill: 'SIGKILL' } as const;

function signal(order: keyof typeof SIGNALS, node: string, supervisor: Supervisor): OrderResult {
  const pid = supervisor.pid(node) ?? '?';
  const ok = supervisor.signal(node, SIGNALS[order]);
  return { ok, message: ok ? `${SIGNALS[order]} sent to ${node} (pid ${pid})` : `${node} does not run` };
}

/** One was asked for, and there is a terminal to draw it on. */
function hasConsole(call: Call): boolean {
  return flag(call, 'console') && process.stdin.isTTY && process.stdout.isTTY;
}

/** While the console has the screen nobody else writes on it; the nodes' own log files have everything. */
class Talk {
  isQuiet = false;

  say(line: string): void {
    if (!this.isQuiet) say(line);
  }
}

async function showConsole(
  call: Call,
  nodes: readonly SupervisedNode[],
  load: number,
  talk: Talk,
  isOver: Promise<void>,
): Promise<void> {
  const endpoints = nodes.map(({ address }) => address);
  const demo = load > 0 ? new DemoLoad(endpoints, load) : null;
  talk.isQuiet = true;
  try {
    await runConsole(call, endpoints, isOver);
  } finally {
    talk.isQuiet = false;
    await demo?.close();
  }
}

function makeSupervisor(
  call: Call,
  nodes: readonly SupervisedNode[],
  directory: string,
  talk: Talk,
  onElected: () => void,
): Supervisor {
  const story = new ElectionStory();
  const isVerbose = flag(call, 'verbose');
  const binary = binaryName();
  let isFirst = true;
  const supervisor = new Supervisor(nodes, directory, passOn(call), {
    onEvent: (id, event: NodeEvent) => {
      if (isVerbose || event.level === 'error') talk.say(logLine(id, event));
      const told = story.hear(id, event);
      for (const line of told) talk.say(line);
      if (event.code !== 'election-won' || !isFirst) return;
      isFirst = false;
      onElected();
      if (!talk.isQuiet && !hasConsole(call)) showNext(binary, supervisor.pid(id));
    },
    onLine: (id, line) => talk.say(`${id}: ${printable(line)}`),
    onDeath: (id, how) => {
      const restart = `${binary} node restart ${id}`;
      talk.say(
        `✗ ${id} ended (${how}); start it again with: ${restart}   (its log: ${supervisor.logFile(id)})`,
      );
    },
  });
  return supervisor;
}

/** Makes the directory if it is not there and holds it, so that one cluster is never up twice. */
function lockCluster(directory: string): DirectoryLock {
  const locked = privateDirectory(directory);
  try {
    makeDirectory(directory);
    if (readLocalCluster(directory) === null && !isVacant(directory)) {
      throw usageError(
        `${directory} is not empty, and no cluster was made in it`,
        'give an empty or a new directory to --data',
      );
    }
    const disk = new FileDisk();
    disk.mkdirSync(locked);
    return disk.lockDirectorySync(locked);
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (error instanceof DiskError && error.code === 'ELOCKED') {
      throw new CliError(
        'ALREADY_UP',
        ExitCode.usage,
        `the cluster in ${directory} is up already: ${error.message}`,
        { next: 'stop it with `dledger down`, or give another --data', cause: error },
      );
    }
    throw usageError(
      `cannot use the directory ${directory}: ${(error as Error).message}`,
      'give another --data',
    );
  }
}

/** The nodes of the cluster that lies in this directory, or of a new one. */
async function settleNodes(call: Call, directory: string): Promise<readonly SupervisedNode[]> {
  const nodes = number(call, 'nodes');
  const first = number(call, 'ports');
  if (nodes !== null && (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX)) {
    throw usageError(`--nodes ${nodes} is not an integer in 1..${NODES_MAX}`);
  }
  if (first !== null && !(isPort(first) && isPort(first + NODES_MAX))) {
    throw usageError(`--ports ${first} is no port with room for ${NODES_MAX}`);
  }
  const found = readLocalCluster(directory);
  if (found === null) {
    const ports = await choosePorts(first, nodes ?? NODES_DEFAULT);
    return ports.map((port, at) => ({ id: `n${at + 1}`, address: `${HOST}:${port}` }));
  }
  const addresses = found.nodes.map((node) => node.address).join(', ');
  const next = 'leave the flag out to go on with it, or give another --data';
  if (nodes !== null && nodes !== found.nodes.length) {
    throw usageError(`the cluster in ${directory} has ${found.nodes.length} nodes, not ${nodes}`, next);
  }
  if (first !== null && found.nodes[0]?.address !== `${HOST}:${first}`) {
    throw usageError(`the cluster in ${directory} is on ${addresses}, not on ${first}`, next);
  }
  return found.nodes;
}

async function choosePorts(first: number | null, count: number): Promise<number[]> {
  if (first === null) return freeRun(PORT_FIRST, count);
  const wanted = consecutive(first, count);
  const taken = await takenPorts(wanted);
  if (taken.length === 0) return wanted;
  throw new CliError('PORT_IN_USE', ExitCode.usage, `in use: ${taken.join(', ')}`, {
    next: 'give another first port to --ports, or leave it out to have free ones chosen',
  });
}

/** What was set for the nodes. */
function passOn(call: Call): string[] {
  // A cluster on one's own machine is there to be broken.
  const settings = NODE_FLAGS.flatMap(({ name }) => {
    const value = call.values.get(name);
    return value === undefined || value === false ? [] : [`--${name}${value === true ? '' : `=${value}`}`];
  });
  return [...settings, '--allow-faults'];
}

function showNext(binary: string, leaderPid: number | null): void {
  const rows = [
    [`${binary} append -d "hello"`, 'store a record; a majority has it on disk when this returns'],
    [`${binary} read`, 'read it back'],
    [`${binary} cluster status`, 'who leads, and how far everybody is'],
    [`kill -9 ${leaderPid ?? 'PID'}`, 'kill the leader, and watch another take over'],
  ] as const;
  const width = Math.max(...rows.map(([command]) => command.length)) + 3;
  say('\nthe cluster is up. In another terminal, from this directory:');
  for (const [command, about] of rows) say(`  ${command.padEnd(width)}${about}`);
  say('Ctrl-C stops all nodes; the same command goes on where they stopped.\n');
}
