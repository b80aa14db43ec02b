import { isNodeId } from '../../base/units.ts';
import {
  NodeAdmin,
  type ClusterStatus,
  type FaultSpec,
  type FaultState,
  type NodeAnswer,
} from '../../client/index.ts';
import { blastRadius, confirmRadius } from '../blast-radius.ts';
import { usageError } from '../cli-error.ts';
import { SURVEY_TIMEOUT, noneAnswers, sourcesOf, survey, timeoutOf, findNode } from '../cluster-client.ts';
import { flag, number, positive, text, type Call, type Command } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { ExitCode } from '../exit-code.ts';
import { describeFault } from '../../node/index.ts';
import { say, writeAnswer } from '../output.ts';

const KINDS = [
  'stall',
  'drop',
  'delay',
  'throttle',
  'disk-slow',
  'disk-sync-error',
  'disk-full',
  'clock',
] as const;

/** A fault with the node that has it. */
interface FaultRow extends FaultState {
  readonly node: string;
}

export const faultList: Command = {
  path: 'fault list',
  describe: 'what is broken on request, at every node, and how long it will be',
  isClient: true,
  flags: [SURVEY_TIMEOUT],
  run: async (call) => {
    const status = await survey(call);
    const silence = noneAnswers(status);
    if (silence !== null) throw silence;
    const rows = status.nodes.flatMap((node) =>
      (node.status?.faults ?? []).map((fault): FaultRow => ({ node: node.nodeId ?? node.address, ...fault })),
    );
    await show(call, 'Faults', status, rows);
    return status.nodes.every((node) => node.status !== null) ? ExitCode.ok : ExitCode.partial;
  },
};

export const faultAdd: Command = {
  path: 'fault add',
  describe: 'break something at a node that was started with --allow-faults; it mends itself after --ttl',
  isClient: true,
  positionals: [
    { name: 'node', describe: 'id of the node', isRequired: true },
    { name: 'kind', describe: `${KINDS.join(', ')}`, isRequired: true },
  ],
  flags: [
    SURVEY_TIMEOUT,
    { name: 'ttl', type: 'string', describe: 'how long, up to 10m; required' },
    { name: 'peer', type: 'string', describe: 'drop, delay, throttle: messages with this node' },
    {
      name: 'direction',
      type: 'string',
      describe: 'drop: seen from the node that has the fault',
      choices: ['in', 'out', 'both'],
      default: 'both',
    },
    {
      name: 'mode',
      type: 'string',
      describe: 'drop: messages vanish, connections break once, or are refused',
      choices: ['blackhole', 'reset', 'refuse'],
      default: 'blackhole',
    },
    { name: 'share', type: 'number', describe: 'drop: of the messages, above 0 and up to 1', default: 1 },
    { name: 'delay', type: 'string', describe: 'delay, disk-slow: at least so long', default: '0ms' },
    { name: 'jitter', type: 'string', describe: 'delay, disk-slow: and up to so much more', default: '0ms' },
    { name: 'rate', type: 'number', describe: 'throttle: bytes a second' },
    { name: 'offset', type: 'string', describe: 'clock: ahead by so much, or behind, as in --offset=-10m' },
    { name: 'yes', type: 'boolean', describe: 'do it whatever it costs', default: false },
  ],
  examples: [
    ['$0 fault add n1 drop --peer n2 --ttl 5s', 'n1 and n2 hear nothing of each other for five seconds'],
  ],
  run: async (call) => {
    const spec = specOf(call);
    const ttl = text(call, 'ttl');
    if (ttl === null) throw usageError('--ttl is missing', 'say how long it is to last: --ttl 5s');
    const status = await survey(call);
    const node = findNode(status, call.positionals.get('node') ?? '');
    const id = node.nodeId ?? '';
    // A failed sync, and a write that finds no room, end the node.
    if (spec.kind === 'stall' || spec.kind === 'disk-sync-error' || spec.kind === 'disk-full') {
      const radius = blastRadius(status, [id]);
      confirmRadius(radius, `${spec.kind} at ${id}`, flag(call, 'yes'));
      for (const effect of radius.effects) say(effect);
    }
    const ttlMs = Math.ceil(parseDuration(ttl, 'ttl'));
    const { active, added } = await adminOf(call, node).fault({ op: 'add', spec, ttlMs, owner: 'fault add' });
    const rows = active
      .filter((fault) => fault.id === added)
      .map((fault): FaultRow => ({ node: id, ...fault }));
    await show(call, 'FaultAdded', status, rows);
    return ExitCode.ok;
  },
};

export const faultClear: Command = {
  path: 'fault clear',
  describe: 'mend what was broken on request: one fault of a node, all of a node, or with --all everything',
  isClient: true,
  positionals: [
    { name: 'node', describe: 'id of the node', isRequired: false },
    { name: 'fault', describe: 'id of the fault; default: all of that node', isRequired: false },
  ],
  flags: [SURVEY_TIMEOUT, { name: 'all', type: 'boolean', describe: 'everywhere', default: false }],
  run: async (call) => {
    const named = call.positionals.get('node');
    if ((named === undefined) !== flag(call, 'all'))
      throw usageError(named === undefined ? 'which node?' : 'a node and --all', 'name a node, or say --all');
    const status = await survey(call);
    const nodes = named === undefined ? status.nodes : [findNode(status, named)];
    const cleared: FaultRow[] = [];
    const failed: string[] = [];
    await Promise.all(
      nodes.map(async (node) => {
        const id = node.nodeId ?? node.address;
        const before = new Set((node.status?.faults ?? []).map((fault) => fault.id));
        try {
          const report = await adminOf(call, node).fault({
            op: 'clear',
            id: call.positionals.get('fault') ?? null,
          });
          for (const fault of report.ended) if (before.has(fault.id)) cleared.push({ node: id, ...fault });
        } catch (error) {
          failed.push(`${id}: ${(error as Error).message}`);
        }
      }),
    );
    await show(call, 'FaultsCleared', status, cleared, failed);
    return failed.length === 0 ? ExitCode.ok : ExitCode.partial;
  },
};

/** @throws CliError that names the flag. */
function specOf(call: Call): FaultSpec {
  const kind = call.positionals.get('kind') ?? '';
  switch (kind as (typeof KINDS)[number]) {
    case 'stall':
      return { kind: 'stall' };
    case 'drop': {
      const share = number(call, 'share') ?? 1;
      if (!(share > 0 && share <= 1)) throw usageError(`--share ${share} is not above 0 and up to 1`);
      const direction = text(call, 'direction') as 'in' | 'out' | 'both';
      const mode = text(call, 'mode') as 'blackhole' | 'reset' | 'refuse';
      return { kind: 'drop', peer: peerOf(call), direction, mode, share };
    }
    case 'delay':
      return { kind: 'delay', peer: peerOf(call), ...delayOf(call) };
    case 'throttle': {
      const bytesPerSecond = positive(call, 'rate');
      if (bytesPerSecond === null)
        throw usageError('--rate is missing', 'say how many bytes a second: --rate 20000');
      return { kind: 'throttle', peer: peerOf(call), bytesPerSecond };
    }
    case 'disk-slow':
      return { kind: 'disk-slow', ...delayOf(call) };
    case 'disk-sync-error':
      return { kind: 'disk-sync-error' };
    case 'disk-full':
      return { kind: 'disk-full' };
    case 'clock': {
      const offset = text(call, 'offset') ?? '';
      const ms = Math.round(parseDuration(offset.replace(/^-/, ''), 'offset'));
      return { kind: 'clock', offsetMs: offset.startsWith('-') ? -ms : ms };
    }
    default:
      throw usageError(`${JSON.stringify(kind)} is no kind of fault`, `choose one of ${KINDS.join(', ')}`);
  }
}

function delayOf(call: Call): { readonly delayMs: number; readonly jitterMs: number } {
  const delayMs = parseDuration(text(call, 'delay') ?? '0ms', 'delay');
  const jitterMs = parseDuration(text(call, 'jitter') ?? '0ms', 'jitter');
  if (delayMs + jitterMs <= 0) throw usageError('a delay of nothing', 'say how long: --delay 50ms');
  return { delayMs, jitterMs };
}

function peerOf(call: Call): Extract<FaultSpec, { kind: 'drop' }>['peer'] {
  const peer = text(call, 'peer') ?? '';
  if (!isNodeId(peer))
    throw usageError('--peer is missing', 'say between this node and which other: --peer n2');
  return peer;
}

function adminOf(call: Call, node: NodeAnswer): NodeAdmin {
  return new NodeAdmin(node.address, { timeoutMs: timeoutOf(call) });
}

async function show(
  call: Call,
  kind: string,
  status: ClusterStatus,
  rows: readonly FaultRow[],
  warnings: readonly string[] = [],
): Promise<void> {
  await writeAnswer(
    {
      kind,
      data: { faults: rows },
      sources: sourcesOf(status),
      warnings,
      table: () => [
        ['NODE', 'FAULT', 'KIND', 'WHAT', 'LEFT', 'AFFECTED', 'OWNER'],
        ...rows.map((row) => [
          row.node,
          row.id,
          row.spec.kind,
          describeFault(row.spec),
          `${row.remainingMs} ms`,
          String(row.affected),
          row.owner,
        ]),
      ],
    },
    call.format,
    call.now(),
  );
}
