import { endpointsOf } from '../cluster-client.ts';
import { usageError } from '../cli-error.ts';
import { flag, number, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { lastUp, readLocalCluster } from '../local-cluster.ts';
import { untilSignalled } from '../until-signalled.ts';
import { envelopeOf, say, structured, writeOut } from '../output.ts';

const FPS_MAX = 10;
const ONCE_TIMEOUT_MS = 2000;

export const console_: Command = {
  path: 'console',
  describe:
    'the cluster on a screen: who leads and why, how far everybody is, what happens; and orders to it',
  isClient: true,
  flags: [
    { name: 'once', type: 'boolean', describe: 'print one frame and end', default: false },
    {
      name: 'read-only',
      type: 'boolean',
      describe: 'look, and change nothing',
      default: false,
      inConfig: true,
    },
    { name: 'fps', type: 'number', describe: `updates a second, up to ${FPS_MAX}`, default: 4 },
    {
      name: 'ascii',
      type: 'boolean',
      describe: 'no characters beyond ASCII',
      default: false,
      inConfig: true,
    },
    {
      name: 'reduced-motion',
      type: 'boolean',
      describe: 'one update a second',
      default: false,
      inConfig: true,
    },
    {
      name: 'screen-reader',
      type: 'boolean',
      describe: 'a line of words for each change, nothing drawn',
      default: false,
      inConfig: true,
    },
    {
      name: 'env',
      type: 'string',
      describe: 'what kind of cluster this is; prod is marked in red and read-only',
      choices: ['dev', 'prod'],
      default: 'dev',
      inConfig: true,
    },
  ],
  examples: [
    ['$0 console', 'the cluster that `up` last started from here'],
    ['$0 console --once -o json', 'everything that it would show, for programs'],
  ],
  run: async (call) => runConsole(call, await endpointsOf(call)),
};

/**
 * @param isOver ends it: what it shows is about to end. Null where it goes on until it is quit.
 * @returns the exit status.
 */
export async function runConsole(
  call: Call,
  endpoints: readonly string[],
  isOver: Promise<void> | null = null,
): Promise<number> {
  prepareEnvironment();
  const { Feed } = await import('../console/feed.ts');
  const isStill = flag(call, 'reduced-motion');
  const environment = text(call, 'env') ?? 'dev';
  const feed = new Feed({
    endpoints,
    isReadOnly: flag(call, 'read-only') || environment === 'prod',
    environment,
    managed: managedAddresses(),
    statusEveryMs: isStill ? 1000 : Math.round(1000 / framesOf(call)),
  });
  try {
    const isForPrograms = call.isFormatChosen && call.format !== 'table' && call.format !== 'wide';
    if (flag(call, 'once') || isForPrograms) return await once(call, feed.store, isForPrograms);
    if (flag(call, 'screen-reader') || process.env['INK_SCREEN_READER'] === 'true')
      return await aloud(feed.store);
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      throw usageError(
        'the console needs a terminal',
        'use --once for one frame, or `dledger cluster status`',
      );
    }
    const { runApp } = await import('../console/run-app.ts');
    const { glyphsFor } = await import('../console/theme.ts');
    const summary = await runApp(feed, glyphsFor(process.env, flag(call, 'ascii')), isOver);
    say(summary);
    return ExitCode.ok;
  } finally {
    feed.close();
  }
}

/** Before React and Ink are loaded: they read these once. */
function prepareEnvironment(): void {
  // The development build of React keeps every frame.
  process.env['NODE_ENV'] = 'production';
  // The library that colours knows FORCE_COLOR only.
  if ((process.env['NO_COLOR'] ?? '') !== '') process.env['FORCE_COLOR'] = '0';
  // Ink draws nothing but the last frame where it takes itself to be in CI. On a terminal somebody looks on.
  if (process.stdout.isTTY) process.env['CI'] = 'false';
}

function framesOf(call: Call): number {
  const fps = number(call, 'fps') ?? 4;
  if (fps > 0 && fps <= FPS_MAX) return Math.max(1, fps);
  throw usageError(`--fps ${fps} is out of bounds`, `give a number above 0 and up to ${FPS_MAX}`);
}

/** Addresses of the nodes that the last `up` from here runs: those may be killed and restarted. */
function managedAddresses(): Set<string> {
  const directory = lastUp();
  const cluster = directory === null ? null : readLocalCluster(directory);
  return new Set(cluster?.control === null ? [] : (cluster?.nodes ?? []).map(({ address }) => address));
}

type Store = InstanceType<typeof import('../console/feed.ts')['Feed']>['store'];

async function once(call: Call, store: Store, isForPrograms: boolean): Promise<number> {
  const { settled } = await import('../console/plain.ts');
  const model = await settled(store, ONCE_TIMEOUT_MS);
  if (isForPrograms) {
    const { health, nodes, events, election, ageMs } = model;
    const data = { cluster: model.cluster, health, election, nodes, events, ageMs };
    const format = call.format === 'yaml' ? 'yaml' : call.format === 'ndjson' ? 'ndjson' : 'json';
    const sources = nodes.map(({ name, isUp, why }) => ({ node: name, ok: isUp, error: why }));
    const envelope = envelopeOf({ kind: 'Console', data, sources }, call.now());
    await writeOut(structured(envelope, format));
  } else {
    const { drawOnce, usableSize } = await import('../console/view.ts');
    const { glyphsFor } = await import('../console/theme.ts');
    const { textOf } = await import('../console/text.ts');
    const size = usableSize(process.stdout.columns, process.stdout.rows);
    const lines = drawOnce(model, size, glyphsFor(process.env, flag(call, 'ascii')));
    await writeOut(lines.map((row) => `${textOf(row).trimEnd()}\n`).join(''));
  }
  return model.health.state === 'unreachable' ? ExitCode.unreachable : ExitCode.ok;
}

async function aloud(store: Store): Promise<number> {
  const { readAloud } = await import('../console/plain.ts');
  const end = readAloud(store, (line) => void writeOut(`${line}\n`));
  await untilSignalled();
  end();
  return ExitCode.interrupted;
}
