import type { FaultSpec } from '../client/index.ts';
import type { NodeId } from '../base/units.ts';
import type { FaultPlan } from './drill.ts';
import type { Breakage } from './faults.ts';
import { cutsOf, type Cut } from './partitions.ts';
import { NobodySelectedError, select, type Scene } from './selectors.ts';

/**
 * What a fault of a script comes to, node by node. Cuts and delays are made where messages leave: one that is dropped at
 * its sender needs nobody else to drop it.
 * @throws NobodySelectedError
 */
export function breakagesOf(plan: FaultPlan, scene: Scene): Breakage[] {
  switch (plan.kind) {
    case 'kill':
      return select(plan.nodes, scene).map((node) => ({ kind: 'kill', node, signal: plan.signal }));
    case 'pause':
    case 'wipe':
    case 'flip': {
      const { kind } = plan;
      return select(plan.nodes, scene).map((node) => ({ kind, node }));
    }
    case 'stall':
      return select(plan.nodes, scene).map((node) => ({ kind: 'order', node, spec: { kind: 'stall' } }));
    case 'disk': {
      const { delayMs, jitterMs } = plan;
      return select(plan.nodes, scene).map((node) => order(node, { kind: 'disk-slow', delayMs, jitterMs }));
    }
    case 'clock': {
      const { offsetMs } = plan;
      return select(plan.nodes, scene).map((node) => order(node, { kind: 'clock', offsetMs }));
    }
    case 'diskError':
      return select(plan.nodes, scene).map((node) => order(node, { kind: 'disk-sync-error' }));
    case 'diskFull':
      return select(plan.nodes, scene).map((node) => order(node, { kind: 'disk-full' }));
    case 'drop': {
      const { mode, share } = plan;
      return links(plan, scene).map(({ from, to }) => drop(from, to, mode, share));
    }
    case 'delay': {
      const { delayMs, jitterMs } = plan;
      return links(plan, scene).map(({ from, to }) =>
        order(from, { kind: 'delay', peer: to as NodeId, delayMs, jitterMs }),
      );
    }
    case 'throttle': {
      const { bytesPerSecond } = plan;
      return links(plan, scene).map(({ from, to }) =>
        order(from, { kind: 'throttle', peer: to as NodeId, bytesPerSecond }),
      );
    }
    case 'partition': {
      const { shape, first } = plan.partition;
      const [head] = first === null ? scene.ids : select(first, scene);
      const ids = [...scene.ids].sort((one, other) => Number(other === head) - Number(one === head));
      return cutsOf(shape, ids).map(({ from, to }) => drop(from, to, 'blackhole', 1));
    }
  }
}

/** A breakage in words. */
export function describeBreakage(breakage: Breakage): string {
  switch (breakage.kind) {
    case 'kill':
      return `${breakage.signal} to ${breakage.node}`;
    case 'pause':
      return `SIGSTOP to ${breakage.node}`;
    case 'wipe':
      return `${breakage.node} loses its data`;
    case 'flip':
      return `a bit flips in the log of ${breakage.node}`;
    case 'order':
      return describeSpec(breakage.node, breakage.spec);
  }
}

function describeSpec(node: string, spec: FaultSpec): string {
  switch (spec.kind) {
    case 'stall':
      return `${node} stands still`;
    case 'drop':
      return describeDrop(node, spec);
    case 'delay':
      return `${node} → ${spec.peer}: messages wait ${spec.delayMs} to ${spec.delayMs + spec.jitterMs} ms`;
    case 'throttle':
      return `${node} → ${spec.peer}: ${spec.bytesPerSecond} bytes a second`;
    case 'disk-slow':
      return `${node}: syncs take ${spec.delayMs} to ${spec.delayMs + spec.jitterMs} ms longer`;
    case 'disk-sync-error':
      return `${node}: syncs fail`;
    case 'disk-full':
      return `${node}: the disk is full`;
    case 'clock':
      return `${node}: the clock is ${Math.abs(spec.offsetMs)} ms ${spec.offsetMs < 0 ? 'behind' : 'ahead'}`;
  }
}

function describeDrop(node: string, spec: Extract<FaultSpec, { kind: 'drop' }>): string {
  const arrow = { out: '→', in: '←', both: '↔' }[spec.direction];
  if (spec.mode !== 'blackhole') return `${node} ${arrow} ${spec.peer}: connections ${spec.mode}`;
  const share = spec.share === 1 ? 'all messages' : `${Math.round(spec.share * 100)} % of messages`;
  return `${node} ${arrow} ${spec.peer}: ${share} lost`;
}

/** Each ordered pair of different nodes once. */
function links(
  { from, to, bothWays }: { readonly from: string; readonly to: string; readonly bothWays: boolean },
  scene: Scene,
): Cut[] {
  const senders = select(from, scene);
  // `@any` twice means two nodes.
  const receivers = select(
    to,
    to === '@any' ? { ...scene, absent: new Set([...scene.absent, ...senders]) } : scene,
  );
  const cuts = new Map<string, Cut>();
  for (const sender of senders) {
    for (const receiver of receivers) {
      if (sender === receiver) continue;
      cuts.set(`${sender} ${receiver}`, { from: sender, to: receiver });
      if (bothWays) cuts.set(`${receiver} ${sender}`, { from: receiver, to: sender });
    }
  }
  if (cuts.size === 0) throw new NobodySelectedError(`from ${from} to ${to} is no link between two nodes`);
  return [...cuts.values()];
}

function drop(from: string, to: string, mode: 'blackhole' | 'reset' | 'refuse', share: number): Breakage {
  return order(from, { kind: 'drop', peer: to as NodeId, direction: 'out', mode, share });
}

function order(node: string, spec: FaultSpec): Breakage {
  return { kind: 'order', node, spec };
}
