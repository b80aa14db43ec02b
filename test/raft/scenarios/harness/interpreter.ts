import { InvariantViolation } from '../../../../src/base/assert.ts';
import type { NodeId } from '../../../../src/base/units.ts';
import { nodeId } from '../../../../src/base/units.ts';
import { describeEntries, describeMessage, describeProgress, describeState } from './describe.ts';
import { textDraft } from './drafts.ts';
import { ScenarioCluster } from './scenario-cluster.ts';
import type { Block, Scenario } from './scenario-file.ts';

type Command = (cluster: ScenarioCluster, words: readonly string[]) => void;

const SETTINGS = new Set([
  'tailEntries',
  'cacheBytesMax',
  'appendEntriesMax',
  'appendBytesMax',
  'inflightMessagesMax',
  'inflightBytesMax',
  'uncommittedBytesMax',
]);

/**
 * What a scenario may say. Nothing happens unless a command says so; whatever a command causes a core to want is taken
 * and printed right after it.
 */
const COMMANDS: Readonly<Record<string, Command>> = {
  /** `log n1 1 1 2 [term=3]`, `log all ...`: a durable log, drawn as the terms of its entries. Before `start`. */
  log(cluster, [id = '', ...words]) {
    const terms = words.filter((word) => /^\d+$/.test(word)).map(Number);
    for (const one of id === 'all' ? cluster.nodes.keys() : [id]) {
      cluster.draw(one, terms, Number(option(words, 'term') ?? 0));
    }
  },
  /** `priority n1 10`. Before `start`. */
  priority(cluster, [id = '', priority]) {
    cluster.node(id).priority = Number(priority);
  },
  /** `trim n1 5`: it does not keep entries up to 5 any more, but a snapshot instead. Before `start`. */
  trim(cluster, [id = '', index]) {
    cluster.node(id).disk.trim(Number(index));
  },
  /** `send-snapshot n1->n2 0 500`: so many bytes, from an offset on, of the snapshot that n1 has, of 1,000 bytes. */
  'send-snapshot'(cluster, [what = '', offset, bytes]) {
    const [from = '', to = ''] = what.split('->');
    if (!cluster.sendSnapshot(from, to, Number(offset), Number(bytes)))
      cluster.output.push(`${from}: ${to} wants no snapshot`);
  },
  /** `no-snapshot n1->n2`: n1 has none to send, or cannot read it. */
  'no-snapshot'(cluster, [what = '']) {
    const [from = '', to = ''] = what.split('->');
    const core = cluster.core(from);
    core.snapshotFailed({ to: nodeId(to), term: core.term });
  },
  /** `store n2`: what it was sent of a snapshot is stored and answered. */
  store(cluster, [id = '']) {
    cluster.store(id);
  },
  /** `install n2 n1`: n2 has all of n1's snapshot, durable: its log and core begin anew with it. */
  install(cluster, [id = '', from = '']) {
    cluster.install(id, from);
  },
  /** `distrust n1`: its hard state was lost. Before `start`. */
  distrust(cluster, [id = '']) {
    cluster.node(id).disk.hardStateTrusted = false;
  },
  /** `start [n1]`: starts a node, or all, from what is on disk; those that are up and in reach shake hands. */
  start(cluster, ids) {
    for (const id of ids.length === 0 ? cluster.nodes.keys() : ids) cluster.start(id);
  },
  /** `timeout n1 20`: the election timeouts that n1 draws from now on. */
  timeout(cluster, [id = '', ticks]) {
    const { prng, core } = cluster.node(id);
    prng.timeoutTicks = Number(ticks);
    core?.pauseDetected();
  },
  /** `tick n1 [count]`, `tick all [count]`. */
  tick(cluster, [id = '', count = '1']) {
    for (let at = 0; at < Number(count); at += 1) {
      for (const node of id === 'all' ? cluster.up : [cluster.node(id)]) node.core?.tick();
      cluster.drain();
    }
  },
  /** `beat n1 60`: that many ticks of n1, and whenever it sends heartbeats, all settles: time passes and all is well. */
  beat(cluster, [id = '', count = '1']) {
    for (let at = 0; at < Number(count); at += 1) {
      cluster.core(id).tick();
      cluster.settle();
    }
  },
  /** `campaign n1`: ticks it until its election timeout runs out. */
  campaign(cluster, [id = '']) {
    const core = cluster.core(id);
    const before = core.status().counters.preVotesStarted;
    for (let ticks = 0; core.status().counters.preVotesStarted === before; ticks += 1) {
      if (ticks > 100) throw new Error(`${id} does not campaign`);
      core.tick();
    }
  },
  /** `propose n1 text ... [bytes=100] [times=3]`: each as often as said, all in one turn. */
  propose(cluster, [id = '', ...words]) {
    const times = Number(option(words, 'times') ?? 1);
    for (const text of words.filter((word) => !word.includes('='))) {
      for (let at = 1; at <= times; at += 1) {
        const draft = textDraft(times === 1 ? text : `${text}${at}`, Number(option(words, 'bytes') ?? 0));
        const result = cluster.core(id).propose([draft]);
        if (!result.ok) cluster.output.push(`${id}: proposal ${text} refused: ${result.refusal}`);
      }
    }
  },
  /** `deliver [n1] [n1->n2] [Type]`: what is under way now and matches all of it; to n1, from n1 to n2, of a type. */
  deliver(cluster, words) {
    cluster.deliver(matcher(words));
  },
  /** `drop [n1->n2] [Type]`: loses what is under way and matches. */
  drop(cluster, words) {
    const matches = matcher(words);
    for (const message of cluster.messages.filter(matches))
      cluster.output.push(`lost: ${describeMessage(message)}`);
    cluster.messages = cluster.messages.filter((message) => !matches(message));
  },
  /** `duplicate n1->n2 [Type]`: what is under way and matches will arrive once more. */
  duplicate(cluster, words) {
    cluster.messages.push(...cluster.messages.filter(matcher(words)));
  },
  /** `sync n1 [count]`: its oldest writes are durable. `sync all`. */
  sync(cluster, [id = '', count]) {
    for (const node of id === 'all' ? cluster.up : [cluster.node(id)]) {
      cluster.sync(node.id, count === undefined ? Number.POSITIVE_INFINITY : Number(count));
    }
  },
  /** `settle`: deliver and sync until nothing moves. */
  settle(cluster) {
    cluster.settle();
  },
  /** `cut n1`: from everybody. `cut n1->n2`: one way. */
  cut(cluster, [what = '']) {
    const [from = '', to] = what.split('->');
    const others = to === undefined ? [...cluster.nodes.keys()].filter((id) => id !== from) : [to];
    for (const other of others) {
      cluster.cut(from as NodeId, other as NodeId);
      if (to === undefined) cluster.cut(other as NodeId, from as NodeId);
    }
  },
  heal(cluster) {
    cluster.heal();
  },
  crash(cluster, [id = '']) {
    cluster.crash(id);
  },
  /** `wipe n1`: it is down and its disk is replaced by an empty one. */
  wipe(cluster, [id = '', incarnation]) {
    const node = cluster.node(id);
    node.disk.wipe();
    node.incarnation = Number(incarnation) as typeof node.incarnation;
  },
  /** `meet n1 n2`: they shake hands. */
  meet(cluster, [one = '', other = '']) {
    cluster.introduce(cluster.node(one), cluster.node(other));
    cluster.introduce(cluster.node(other), cluster.node(one));
  },
  /** `read n1 7`: a linearizable read with this token. */
  read(cluster, [id = '', token]) {
    cluster.core(id).readIndex(Number(token));
  },
  /** `transfer n1 n2`, `transfer n1 anybody`. */
  transfer(cluster, [id = '', target = '']) {
    const result = cluster.core(id).transferLeadership(target === 'anybody' ? null : nodeId(target));
    if (!result.ok) cluster.output.push(`${id}: transfer refused: ${result.refusal}`);
  },
  'step-down'(cluster, [id = '', ...why]) {
    cluster.core(id).stepDown(why.join(' '));
  },
  /** `leader-gone n2 n1`: n2 saw its connection to n1 closed and a new one refused. */
  'leader-gone'(cluster, [id = '', leader = '']) {
    cluster.core(id).leaderGone(nodeId(leader));
  },
  pause(cluster, [id = '']) {
    cluster.core(id).pauseDetected();
  },
  /** `lane n1 n2 down|up`: the bulk lane from n1 to n2. */
  lane(cluster, [id = '', peer = '', state]) {
    cluster.core(id).peerReachable(nodeId(peer), 'bulk', state === 'up');
  },
  /** `apply n1 5`: its state machine got that far. */
  apply(cluster, [id = '', index]) {
    const core = cluster.core(id);
    core.applied(Number(index) as typeof core.commitIndex);
  },
  /** `read-log n1`: its disk answers. */
  'read-log'(cluster, [id = '']) {
    cluster.readLog(id);
  },
  /** `state [n1 ...]`. */
  state(cluster, ids) {
    for (const node of ids.length === 0 ? cluster.nodes.values() : ids.map((id) => cluster.node(id))) {
      cluster.output.push(node.core === null ? `${node.id} is down` : describeState(node.core));
    }
  },
  /** `progress n1`: what a leader knows of the others. */
  progress(cluster, [id = '']) {
    cluster.output.push(...describeProgress(cluster.core(id)));
  },
  /** `disk n1`: what would survive a crash. */
  disk(cluster, [id = '']) {
    const { hardState, entries } = cluster.node(id).disk;
    const log = entries.length === 0 ? 'nothing' : describeEntries(entries);
    cluster.output.push(
      `${id} has on disk: term ${hardState.term}, vote ${hardState.votedFor ?? 'none'}, ${log}`,
    );
  },
  /** `under-way`: messages that were sent and did not arrive yet. */
  'under-way'(cluster) {
    for (const message of cluster.messages) cluster.output.push(describeMessage(message));
  },
};

/** Plays a scenario. @returns the same one with what it really printed. */
export function play({ blocks }: Scenario): Scenario {
  let cluster: ScenarioCluster | null = null;
  const played: Block[] = [];
  for (const block of blocks) {
    for (const line of block.commands) {
      const words = line.trim().split(/\s+/);
      if (words[0] === 'cluster') {
        const output = cluster?.output ?? [];
        cluster = makeCluster(words.slice(1));
        cluster.output.push(...output);
      } else if (cluster === null) {
        throw new Error('a scenario begins with `cluster`');
      } else {
        run(cluster, words);
      }
    }
    const output = cluster?.output.splice(0) ?? [];
    played.push({ ...block, output });
  }
  return { blocks: played };
}

/** `cluster n1 n2 n3 [setting=number ...]`. */
function makeCluster(words: readonly string[]): ScenarioCluster {
  const settings: Record<string, number> = {};
  for (const word of words.filter((one) => one.includes('='))) {
    const [name = '', value] = word.split('=');
    if (!SETTINGS.has(name)) throw new Error(`there is no setting ${name}`);
    settings[name] = Number(value);
  }
  const ids = words.filter((word) => !word.includes('=')).map(nodeId);
  return new ScenarioCluster(ids, settings);
}

/** With `quietly` before it, a command prints nothing; with `tersely`, only what nodes decided: no messages, no writes. */
function run(cluster: ScenarioCluster, words: readonly string[]): void {
  const quiet = words[0] === 'quietly';
  const terse = words[0] === 'tersely';
  const [name = '', ...rest] = quiet || terse ? words.slice(1) : words;
  const command = COMMANDS[name];
  if (command === undefined) throw new Error(`there is no command ${name}`);
  const printed = cluster.output.length;
  try {
    command(cluster, rest);
    cluster.drain();
  } catch (error) {
    if (!(error instanceof InvariantViolation)) throw error;
    cluster.output.push(`InvariantViolation: ${error.message}`);
    return;
  }
  const lines = cluster.output.splice(printed);
  if (terse) cluster.output.push(...lines.filter((line) => !/^\S+ -> |^\S+: writes #/.test(line)));
  else if (!quiet) cluster.output.push(...lines);
}

function option(words: readonly string[], name: string): string | undefined {
  return words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

function matcher(words: readonly string[]): (message: ScenarioCluster['messages'][number]) => boolean {
  return (message) =>
    words.every((word) => {
      const [from, to] = word.split('->');
      if (to !== undefined) return message.from === from && message.to === to;
      return message.to === word || message.type === word;
    });
}
