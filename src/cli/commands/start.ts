import path from 'node:path';
import { Prng } from '../../base/prng.ts';
import {
  NODE_DEFAULTS,
  NodeError,
  parseHostPort,
  startNode,
  type DledgerNode,
  type NodeEvent,
  type NodeOptions,
} from '../../node/index.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { RealClock } from '../../platform/real-clock.ts';
import { TcpNetwork } from '../../platform/tcp-network.ts';
import { asCliError, usageError } from '../cli-error.ts';
import { flag, number, text, type Call, type Command, type Flag } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { say, writeError } from '../output.ts';
import { printable } from '../printable.ts';
import { parsePeers } from '../peers.ts';
import { VERSION } from '../version.ts';

const MIB = 1024 * 1024;
const STOP_TIMEOUT_MS = 2000;

/** Times that belong together: across sites everything takes longer, so everything waits longer. */
const PROFILES = {
  lan: { tickMs: 10, heartbeatMs: 50, electionTimeoutMsMin: 150, electionTimeoutMsMax: 300 },
  wan: { tickMs: 50, heartbeatMs: 300, electionTimeoutMsMin: 1500, electionTimeoutMsMax: 3000 },
} as const;

export const NODE_FLAGS: readonly Flag[] = [
  {
    name: 'profile',
    type: 'string',
    describe: 'times for nodes at one site or at several',
    choices: ['lan', 'wan'],
    default: 'lan',
    inConfig: true,
  },
  {
    name: 'segment-mib',
    type: 'number',
    describe: 'size of a log segment, in MiB',
    default: NODE_DEFAULTS.segmentBytes / MIB,
    inConfig: true,
  },
  {
    name: 'cache-mib',
    type: 'number',
    describe: 'recent log kept in memory, in MiB',
    default: NODE_DEFAULTS.cacheBytesMax / MIB,
    inConfig: true,
  },
  {
    name: 'unsafe-no-sync',
    type: 'boolean',
    describe:
      'acknowledge from the page cache: a power cut may lose acknowledged records. For measuring only',
    default: false,
    inConfig: true,
  },
];

export const start: Command = {
  path: 'start',
  describe: 'run one node in the foreground',
  isClient: false,
  flags: [
    { name: 'id', type: 'string', describe: 'name of this node', inConfig: true },
    {
      name: 'peers',
      type: 'string',
      describe: 'all nodes, this one included: n1=HOST:PORT,n2=HOST:PORT,...',
      inConfig: true,
    },
    {
      name: 'data',
      type: 'string',
      describe: 'directory of this node, made if it is not there',
      inConfig: true,
    },
    {
      name: 'listen',
      type: 'string',
      describe: 'HOST:PORT to listen on; default: the address in --peers',
      inConfig: true,
    },
    {
      name: 'priority',
      type: 'number',
      describe: 'larger is preferred as leader',
      default: 0,
      inConfig: true,
    },
    ...NODE_FLAGS,
    {
      name: 'log-format',
      type: 'string',
      describe: 'form of the log lines on stderr',
      choices: ['text', 'json'],
      default: 'text',
      inConfig: true,
    },
    {
      name: 'stop-with-stdin',
      type: 'boolean',
      describe: 'stop when stdin ends: for whoever starts this as a child',
      default: false,
      hidden: true,
    },
  ],
  examples: [
    [
      '$0 start --id n1 --peers n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103 --data n1',
      'the first of three nodes',
    ],
  ],
  run: async (call) => runNode(call),
};

async function runNode(call: Call): Promise<number> {
  const options = optionsOf(call);
  const log = text(call, 'log-format') === 'json' ? logJson : logText;
  const clock = new RealClock();
  return new Promise<number>((resolve, reject) => {
    let node: DledgerNode;
    try {
      node = startNode(
        options,
        { disk: new FileDisk(), network: new TcpNetwork(), clock, prng: new Prng(seed()) },
        {
          onEvent: (event) => log(options.id, event),
          onReady: (status) =>
            log(options.id, {
              at: clock.unixMs(),
              level: 'info',
              code: 'ready',
              text: `listening on ${status.address}`,
              fields: { address: status.address, pid: process.pid },
            }),
          onFatal: (error) => {
            const shown = asCliError(error);
            if (shown !== null) writeError(shown, call.format, call.now());
            resolve(shown?.exitCode ?? ExitCode.internal);
          },
        },
      );
    } catch (error) {
      reject(error instanceof NodeError ? error : (error as Error));
      return;
    }
    let isStopping = false;
    const stop = (): void => {
      // Whoever asks twice means it.
      if (isStopping) process.exit(ExitCode.interrupted);
      isStopping = true;
      node.stop({ handOver: true, timeoutMs: STOP_TIMEOUT_MS }, () => resolve(ExitCode.ok));
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    if (flag(call, 'stop-with-stdin')) {
      process.stdin.resume();
      process.stdin.on('end', stop);
    }
  });
}

function optionsOf(call: Call): NodeOptions {
  const id = required(call, 'id', 'name this node: --id n1');
  const peers = parsePeers(
    required(call, 'peers', 'name all nodes: --peers n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103'),
  );
  const data = required(call, 'data', 'say where the log goes: --data DIR');
  const listen = text(call, 'listen');
  const listenAt = listen === null ? null : parseHostPort(listen);
  if (listen !== null && listenAt === null) throw usageError(`--listen ${listen} is not HOST:PORT`);
  const profile = PROFILES[(text(call, 'profile') ?? 'lan') as keyof typeof PROFILES];
  return {
    ...NODE_DEFAULTS,
    ...profile,
    id,
    peers,
    dataDirectory: path.resolve(data),
    ...(listenAt === null ? {} : { listen: listenAt }),
    priority: number(call, 'priority') ?? 0,
    segmentBytes: mebibytes(call, 'segment-mib'),
    cacheBytesMax: mebibytes(call, 'cache-mib'),
    durability: flag(call, 'unsafe-no-sync') ? 'unsafe-no-sync' : 'quorum-sync',
    softwareVersion: VERSION,
  };
}

function mebibytes(call: Call, name: string): number {
  const value = number(call, name) ?? 0;
  if (!(value > 0 && value <= 1024)) throw usageError(`--${name} ${value} is not in 0..1024 MiB`);
  return Math.round(value * MIB);
}

function required(call: Call, name: string, next: string): string {
  const value = text(call, name);
  if (value === null || value === '') throw usageError(`--${name} is missing`, next);
  return value;
}

function seed(): number {
  const words = new Uint32Array(2);
  crypto.getRandomValues(words);
  return (words[0] ?? 0) * 2 ** 21 + ((words[1] ?? 0) >>> 11);
}

function logText(id: string, event: NodeEvent): void {
  const time = new Date(event.at).toISOString().slice(11, 23);
  say(`${time} ${event.level.padEnd(5)} ${printable(id)} ${printable(event.text)}`);
}

function logJson(id: string, event: NodeEvent): void {
  say(JSON.stringify({ node: id, ...event }));
}
