import { blastRadius } from '../blast-radius.ts';
import type { ActionName } from './keys.ts';
import type { ConsoleModel, ConsoleNode } from './model.ts';

/** How hard it is to do by mistake. */
export type Confirmation = 'none' | 'yes' | 'typed';

/** Something that changes the cluster, as it is put to whoever has to confirm it. */
export interface Plan {
  readonly action: ActionName;
  /** A question. */
  readonly title: string;
  /** What it will do, one line each. */
  readonly effects: readonly string[];
  readonly confirmation: Confirmation;
  /** What must be typed, where the confirmation asks for it. */
  readonly word: string;
  /** The verb that does the same. */
  readonly command: string;
  readonly order: Order;
}

/** What is to be done, for whoever does it. */
export type Order =
  | { readonly do: 'transfer'; readonly target: string | null }
  | { readonly do: 'pause' | 'resume' | 'kill' | 'restart'; readonly node: string; readonly address: string }
  | { readonly do: 'isolate'; readonly node: string; readonly ttlMs: number }
  | { readonly do: 'heal-all' }
  /** Not done to the cluster that is shown. */
  | { readonly do: 'drill'; readonly name: string };

/** Longer than any election takes, short enough to be forgotten without harm. */
const CUT_TTL_MS = 10_000;
const PAUSE_TTL_MS = 10_000;

/** The plan for an action on the selected node, or why it cannot be done now. */
export function plan(
  action: Exclude<ActionName, 'drill'>,
  model: ConsoleModel,
  selected: ConsoleNode | null,
): Plan | string {
  if (action === 'faults') return 'the faults are listed on the node screen';
  if (model.isReadOnly && action !== 'heal-all') return 'this console is read-only (--read-only)';
  switch (action) {
    case 'transfer':
      return transfer(model, selected);
    case 'step-down':
      return stepDown(model);
    case 'heal-all':
      return healAll(model);
    case 'pause':
    case 'partition':
    case 'kill':
    case 'restart':
      return selected === null ? 'no node is selected' : onNode(action, model, selected);
  }
}

/** The plan to run a drill by its place in the list, or why it cannot be run now. */
export function planDrill({ drills, isReadOnly }: ConsoleModel, at: number): Plan | string {
  if (isReadOnly) return 'this console is read-only (--read-only)';
  if (drills?.run?.verdict === null) return `${drills.run.name} runs: one drill at a time`;
  const drill = drills?.library[at];
  if (drill === undefined) return 'no drill is selected';
  return {
    action: 'drill',
    title: `Start ${drill.name}?`,
    effects: [
      'on nodes of its own, on this machine, for some seconds',
      'this cluster is not touched, but the machine gets busy',
    ],
    confirmation: 'yes',
    word: '',
    command: `drill run ${drill.name}`,
    order: { do: 'drill', name: drill.name },
  };
}

function transfer(model: ConsoleModel, selected: ConsoleNode | null): Plan | string {
  if (model.leader === null) return 'nobody leads: there is nothing to hand over';
  const target = selected === null || selected.name === model.leader.name ? null : selected;
  if (target !== null && !target.isUp) return `${target.name} does not answer: it cannot lead`;
  return {
    action: 'transfer',
    title: `Hand leadership from ${model.leader.name} to ${target?.name ?? 'the best follower'}?`,
    effects: [
      'writes wait for some milliseconds; nothing is lost',
      'refused where the target is too far behind',
    ],
    confirmation: 'yes',
    word: '',
    command: `cluster transfer-leader${target === null ? '' : ` ${target.name}`}`,
    order: { do: 'transfer', target: target?.name ?? null },
  };
}

function stepDown(model: ConsoleModel): Plan | string {
  if (model.leader === null) return 'nobody leads';
  if (model.nodes.length < 2) return 'there is nobody to hand over to';
  return {
    action: 'step-down',
    title: `Make ${model.leader.name} step down?`,
    effects: ['it hands over to the follower that is furthest; writes wait for some milliseconds'],
    confirmation: 'yes',
    word: '',
    command: 'cluster step-down',
    order: { do: 'transfer', target: null },
  };
}

function healAll(model: ConsoleModel): Plan | string {
  const faults = model.nodes.reduce((sum, node) => sum + (node.status?.faults.length ?? 0), 0);
  if (faults === 0) return 'nothing is broken on request';
  return {
    action: 'heal-all',
    title: `End ${faults} ${faults === 1 ? 'fault' : 'faults'}?`,
    effects: [],
    // The safe direction.
    confirmation: 'none',
    word: '',
    command: 'fault clear --all',
    order: { do: 'heal-all' },
  };
}

function onNode(
  action: 'pause' | 'partition' | 'kill' | 'restart',
  model: ConsoleModel,
  node: ConsoleNode,
): Plan | string {
  const { name, address, isManaged } = node;
  const isPaused = node.status?.faults.some(({ spec }) => spec.kind === 'stall') === true || isSilent(node);
  if (action === 'pause' && isPaused) {
    return {
      action,
      title: `Let ${name} go on?`,
      effects: ['it takes part again and catches up'],
      confirmation: 'none',
      word: '',
      command: `node resume ${name}`,
      order: { do: 'resume', node: name, address },
    };
  }
  const allows = node.status?.allowsFaults === true;
  if ((action === 'kill' || action === 'restart') && !isManaged)
    return `${name} was not started from here: on its machine, \`${action === 'kill' ? 'kill -9' : 'restart'}\` what listens on ${address}`;
  if (action === 'partition' && !allows) return `${name} was started without --allow-faults`;
  if (action === 'pause' && !isManaged && !allows)
    return `${name} was neither started from here nor with --allow-faults`;
  const isRestart = action === 'restart';
  const radius = blastRadius(model.status, [name]);
  const isGrave = radius.losesQuorum || (action === 'kill' && node.isUp);
  const isLeader = model.leader?.name === name;
  return {
    action,
    ...wording(action, node),
    effects: [...radius.effects, ...(node.isUp ? [] : ['it does not run at the moment'])],
    confirmation:
      isGrave || (action === 'pause' && isLeader) ? 'typed' : isRestart && !node.isUp ? 'none' : 'yes',
    word: name,
  };
}

function wording(
  action: 'pause' | 'partition' | 'kill' | 'restart',
  { name, address, isManaged }: ConsoleNode,
): Pick<Plan, 'title' | 'command' | 'order'> {
  switch (action) {
    case 'pause':
      return {
        title: isManaged ? `Pause ${name} (SIGSTOP)?` : `Stall ${name} for ${PAUSE_TTL_MS / 1000} s?`,
        command: `node pause ${name}`,
        order: { do: 'pause', node: name, address },
      };
    case 'partition':
      return {
        title: `Cut ${name} off from all others for ${CUT_TTL_MS / 1000} s?`,
        command: `fault add ${name} drop --peer EACH --ttl ${CUT_TTL_MS / 1000}s`,
        order: { do: 'isolate', node: name, ttlMs: CUT_TTL_MS },
      };
    case 'kill':
      return {
        title: `Kill ${name} (SIGKILL)?`,
        command: `node kill ${name} --yes`,
        order: { do: 'kill', node: name, address },
      };
    case 'restart':
      return {
        title: `Restart ${name}?`,
        command: `node restart ${name}`,
        order: { do: 'restart', node: name, address },
      };
  }
}

/** Connected to by its kernel, perhaps, but not heard: as a process is that a signal stopped. */
function isSilent(node: ConsoleNode): boolean {
  return node.isManaged && !node.isUp && node.why !== null && !node.why.includes('refused');
}
