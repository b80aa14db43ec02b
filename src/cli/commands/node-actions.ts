import path from 'node:path';
import { NodeAdmin, type ClusterStatus, type NodeAnswer } from '../../client/index.ts';
import { blastRadius, confirmRadius } from '../blast-radius.ts';
import { CliError, usageError } from '../cli-error.ts';
import { SURVEY_TIMEOUT, survey, timeoutOf, withClient, findNode } from '../cluster-client.ts';
import { flag, text, type Call, type Command, type Flag, type Positional } from '../command.ts';
import { orderIfManaged, type Order } from '../control.ts';
import { parseDuration } from '../duration.ts';
import { ExitCode } from '../exit-code.ts';
import { say, writeAnswer } from '../output.ts';
import { transferred } from './cluster-transfer-leader.ts';

const NODE: Positional = { name: 'node', describe: 'id of the node', isRequired: true };
const DATA: Flag = {
  name: 'data',
  type: 'string',
  describe: 'directory of the cluster; default: the one `up` last started from here',
};
const YES: Flag = { name: 'yes', type: 'boolean', describe: 'do it whatever it costs', default: false };

export const nodePause: Command = {
  path: 'node pause',
  describe: 'make a node stand still: SIGSTOP where `up` runs it, else it stalls on request, for --ttl',
  isClient: true,
  positionals: [NODE],
  flags: [
    SURVEY_TIMEOUT,
    DATA,
    YES,
    {
      name: 'ttl',
      type: 'string',
      describe: 'how long a node stalls that no `up` here runs',
      default: '10s',
    },
  ],
  run: async (call) => {
    const { status, node, id } = await find(call);
    const radius = blastRadius(status, [id]);
    confirmRadius(radius, `pause ${id}`, flag(call, 'yes'));
    for (const effect of radius.effects) say(effect);
    const managed = await order(call, { do: 'pause', node: id }, node.address);
    if (managed !== null) return done(call, 'NodePaused', id, managed);
    const ttlMs = Math.ceil(parseDuration(text(call, 'ttl') ?? '10s', 'ttl'));
    const report = await adminOf(call, node).fault({
      op: 'add',
      spec: { kind: 'stall' },
      ttlMs,
      owner: 'node pause',
    });
    return done(call, 'NodePaused', id, `${id} stands still for ${ttlMs} ms (fault ${report.added ?? '?'})`);
  },
};

export const nodeResume: Command = {
  path: 'node resume',
  describe: 'let a node go on that was paused',
  isClient: true,
  positionals: [NODE],
  flags: [SURVEY_TIMEOUT, DATA],
  run: async (call) => {
    // First of all, without asking around: one that a signal stopped would keep the question waiting.
    const named = call.positionals.get('node') ?? '';
    const managed = await order(call, { do: 'resume', node: named }, null);
    const { node, id } = await find(call);
    const stalls = await stallsOf(call, node);
    if (managed === null && stalls.length === 0) {
      throw new CliError(
        'NOT_FOUND',
        ExitCode.notFound,
        `${id} has no stall, and no \`dledger up\` here runs it`,
      );
    }
    for (const fault of stalls) await adminOf(call, node).fault({ op: 'clear', id: fault });
    return done(call, 'NodeResumed', id, managed ?? `${id} goes on`);
  },
};

export const nodeKill: Command = {
  path: 'node kill',
  describe: 'SIGKILL to a node of the cluster that `up` runs; `node restart` brings it back',
  isClient: true,
  positionals: [NODE],
  flags: [SURVEY_TIMEOUT, DATA, YES],
  run: async (call) => {
    const { status, node, id } = await find(call);
    const radius = blastRadius(status, [id]);
    if (!flag(call, 'yes')) {
      throw new CliError('UNSAFE', ExitCode.refused, [`kill ${id} (SIGKILL)`, ...radius.effects].join('; '), {
        next: `say it with --yes: dledger node kill ${id} --yes`,
      });
    }
    for (const effect of radius.effects) say(effect);
    const managed = await order(call, { do: 'kill', node: id }, node.address);
    if (managed === null) {
      throw new CliError(
        'NOT_UP',
        ExitCode.notFound,
        `no \`dledger up\` here runs ${id}: its process is not ours`,
        {
          next: `on its machine: kill -9 the process that listens on ${node.address}`,
        },
      );
    }
    return done(call, 'NodeKilled', id, managed);
  },
};

export const nodeDrain: Command = {
  path: 'node drain',
  describe: 'move leadership off a node, so that it may be stopped without an election',
  isClient: true,
  positionals: [NODE],
  flags: [DATA, YES],
  run: async (call) => {
    const { status, id } = await find(call);
    confirmRadius(blastRadius(status, [id]), `stopping ${id} afterwards`, flag(call, 'yes'));
    if (status.leaderId !== id)
      return done(call, 'NodeDrained', id, `${id} does not lead: it may be stopped`);
    return withClient(call, async (client) => transferred(call, await client.transferLeadership()));
  },
};

/** The node that is meant. @throws CliError */
async function find(call: Call): Promise<{ status: ClusterStatus; node: NodeAnswer; id: string }> {
  const id = call.positionals.get('node') ?? '';
  if (id === '') throw usageError('which node?');
  const status = await survey(call);
  return { status, node: findNode(status, id), id };
}

/** @returns what the `up` here did, or null where it does not run this node. */
async function order(
  call: Call,
  what: Extract<Order, { node: string }>,
  address: string | null,
): Promise<string | null> {
  const data = text(call, 'data');
  const result = await orderIfManaged(what, address, data === null ? null : path.resolve(data));
  if (result === null) return null;
  if (!result.ok) throw new CliError('NOT_RUNNING', ExitCode.notNow, result.message);
  return result.message;
}

async function stallsOf(call: Call, node: NodeAnswer): Promise<string[]> {
  try {
    const { active } = await adminOf(call, node).fault({ op: 'list' });
    return active.filter(({ spec }) => spec.kind === 'stall').map(({ id }) => id);
  } catch {
    // One that a signal stopped answers only once it goes on.
    return [];
  }
}

function adminOf(call: Call, node: NodeAnswer): NodeAdmin {
  return new NodeAdmin(node.address, { timeoutMs: timeoutOf(call) });
}

async function done(call: Call, kind: string, node: string, message: string): Promise<number> {
  await writeAnswer({ kind, data: { node, message }, table: () => [[message]] }, call.format, call.now());
  return ExitCode.ok;
}
