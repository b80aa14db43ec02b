import v8 from 'node:v8';
import { mutationNames, parseMutations, type Mutations } from '../../base/mutations.ts';
import { Prng } from '../../base/prng.ts';
import { startNode, type NodeEvent } from '../../node/index.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { RealClock } from '../../platform/real-clock.ts';
import { TcpNetwork } from '../../platform/tcp-network.ts';
import { asCliError, usageError } from '../cli-error.ts';
import { flag, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { logLine } from '../log-line.ts';
import { IDENTITY_FLAGS, NODE_FLAGS, nodeOptionsOf } from '../node-flags.ts';
import { say, writeError } from '../output.ts';
import { printableJson } from '../printable.ts';
import { randomSeed } from '../random-seed.ts';

const STOP_TIMEOUT_MS = 2000;
/**
 * V8 counts buffers as growth of the heap, and through a broker they rush, while its heap hardly changes: left to itself
 * V8 goes over the same 18 MB several times a second, for half of the node's processor time under full load. Four times
 * the heap between two collections is what V8 itself allows at most.
 */
const HEAP_FLAGS = '--heap-growing-percent=300';
const MUTATIONS_VARIABLE = 'DLEDGER_UNSAFE_MUTATIONS';

export const start: Command = {
  path: 'start',
  describe: 'run one node in the foreground',
  isClient: false,
  flags: [
    ...IDENTITY_FLAGS,
    ...NODE_FLAGS,
    {
      name: 'allow-faults',
      type: 'boolean',
      describe:
        'break something on request (stand still, lose messages), for drills; never where strangers connect',
      default: false,
      inConfig: true,
    },
    {
      name: 'log-format',
      type: 'string',
      describe: 'form of the events on stderr',
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
      '$0 start --id n1 --peers n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103 --data ./n1',
      'the first of three nodes',
    ],
  ],
  run: async (call) => runNode(call),
};

/** Runs until it is asked to stop, or cannot go on. */
async function runNode(call: Call): Promise<number> {
  v8.setFlagsFromString(HEAP_FLAGS);
  const options = { ...nodeOptionsOf(call), mutations: mutationsOfEnvironment() };
  const log = text(call, 'log-format') === 'json' ? logJson : logText;
  const clock = new RealClock();
  const ended = Promise.withResolvers<number>();
  const wrong = mutationNames(options.mutations);
  if (wrong.length > 0)
    say(`UNSAFE: ${MUTATIONS_VARIABLE} makes this node behave wrongly: ${wrong.join(', ')}`);
  const node = startNode(
    options,
    { disk: new FileDisk(), network: new TcpNetwork(), clock, prng: new Prng(randomSeed()) },
    {
      onEvent: (event) => log(options.id, event),
      onReady: (status) =>
        log(options.id, {
          sequence: 0,
          at: clock.unixMs(),
          level: 'info',
          code: 'ready',
          text: `listening on ${status.address}`,
          fields: { address: status.address, pid: process.pid },
        }),
      onFatal: (error) => {
        const shown = asCliError(error);
        if (shown !== null) writeError(shown, call.format, call.now());
        ended.resolve(shown?.exitCode ?? ExitCode.internal);
      },
    },
  );
  let isStopping = false;
  const stop = (): void => {
    isStopping = true;
    node.stop({ handOver: true, timeoutMs: STOP_TIMEOUT_MS }, () => ended.resolve(ExitCode.ok));
  };
  const stopOrEnd = (): void => {
    // Whoever asks twice means it.
    if (isStopping) process.exit(ExitCode.interrupted);
    stop();
  };
  process.on('SIGTERM', stopOrEnd);
  process.on('SIGINT', stopOrEnd);
  if (flag(call, 'stop-with-stdin')) {
    process.stdin.on('error', () => undefined);
    process.stdin.on('close', () => {
      if (!isStopping) stop();
    });
    process.stdin.resume();
  }
  return ended.promise;
}

/** For drills that must show that they can fail. No flag and no line of a file: nobody is to switch this on by mistake. */
function mutationsOfEnvironment(): Mutations {
  try {
    return parseMutations(process.env[MUTATIONS_VARIABLE] ?? '');
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`${MUTATIONS_VARIABLE}: ${error.message}`);
    throw error;
  }
}

function logText(id: string, event: NodeEvent): void {
  say(logLine(id, event));
}

function logJson(id: string, event: NodeEvent): void {
  say(printableJson(JSON.stringify({ node: id, ...event })));
}
