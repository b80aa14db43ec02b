import { NodeAdmin, connect, type FaultSpec } from '../../client/index.ts';
import type { NodeId } from '../../base/units.ts';
import { orderIfManaged } from '../control.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import type { Order } from './actions.ts';
import type { ConsoleModel } from './model.ts';

const TIMEOUT_MS = 5000;
const STALL_TTL_MS = 10_000;

/** Does what was confirmed, by the same ways as the commands do. @returns what came of it, in one line. */
export async function carryOut(order: Exclude<Order, { do: 'drill' }>, model: ConsoleModel): Promise<string> {
  switch (order.do) {
    case 'transfer':
      return transfer(order.target, model);
    case 'heal-all':
      return healAll(model);
    case 'isolate':
      return isolate(order.node, order.ttlMs, model);
    case 'pause':
    case 'resume':
    case 'kill':
    case 'restart':
      return onProcess(order);
  }
}

async function transfer(target: string | null, model: ConsoleModel): Promise<string> {
  const endpoints = model.nodes.map(({ address }) => address);
  const client = await connect({ endpoints, requestTimeoutMs: TIMEOUT_MS });
  try {
    const done = await client.transferLeadership(target ?? undefined);
    return `${done.to} leads term ${done.term}; handed over by ${done.from} in ${Math.round(done.tookMs)} ms`;
  } finally {
    await client.close();
  }
}

async function onProcess(order: Extract<Order, { node: string; address: string }>): Promise<string> {
  const { do: what, node, address } = order;
  const managed = await orderIfManaged({ do: what, node }, address, null);
  if (managed !== null) {
    if (!managed.ok) throw new CliError('NOT_RUNNING', ExitCode.notNow, managed.message);
    return managed.message;
  }
  const admin = new NodeAdmin(address, { timeoutMs: TIMEOUT_MS });
  if (what === 'pause') {
    await admin.fault({ op: 'add', spec: { kind: 'stall' }, ttlMs: STALL_TTL_MS, owner: 'console' });
    return `${node} stands still for ${STALL_TTL_MS / 1000} s`;
  }
  if (what === 'resume') {
    const { active } = await admin.fault({ op: 'list' });
    for (const { id, spec } of active) if (spec.kind === 'stall') await admin.fault({ op: 'clear', id });
    return `${node} goes on`;
  }
  throw new CliError('NOT_UP', ExitCode.notFound, `no \`dledger up\` here runs ${node}`);
}

async function isolate(node: string, ttlMs: number, model: ConsoleModel): Promise<string> {
  const { address } = found(node, model);
  const others = model.nodes.filter((other) => other.name !== node);
  const admin = new NodeAdmin(address, { timeoutMs: TIMEOUT_MS });
  for (const other of others) {
    const peer = other.name as NodeId;
    const spec: FaultSpec = { kind: 'drop', peer, direction: 'both', mode: 'blackhole', share: 1 };
    await admin.fault({ op: 'add', spec, ttlMs, owner: 'console' });
  }
  return `${node} and ${others.map(({ name }) => name).join(', ')} hear nothing of each other for ${ttlMs / 1000} s`;
}

async function healAll(model: ConsoleModel): Promise<string> {
  const failed: string[] = [];
  const broken = model.nodes.filter(({ status }) => (status?.faults.length ?? 0) > 0);
  await Promise.all(
    broken.map(async ({ name, address }) => {
      try {
        await new NodeAdmin(address, { timeoutMs: TIMEOUT_MS }).fault({ op: 'clear', id: null });
      } catch (error) {
        failed.push(`${name}: ${(error as Error).message}`);
      }
    }),
  );
  if (failed.length > 0) {
    throw new CliError(
      'HEAL_FAILED',
      ExitCode.partial,
      `still broken, until it ends by itself: ${failed.join('; ')}`,
    );
  }
  return `healed ${broken.map(({ name }) => name).join(', ')}`;
}

function found(name: string, model: ConsoleModel): { readonly address: string } {
  const node = model.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no ${name} any more`);
  return node;
}
