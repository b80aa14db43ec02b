import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { voterIds } from '../../base/configuration.ts';
import { DiskError } from '../../base/ports/disk.ts';
import { UNKNOWN_INCARNATION } from '../../base/units.ts';
import { Prng } from '../../base/prng.ts';
import { Client, type NodeAnswer } from '../../client/index.ts';
import {
  forceRecover,
  surveySurvivor,
  type NewMember,
  type Recovery,
  type RecoveryPorts,
  type Survivor,
} from '../../node/index.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { RealClock } from '../../platform/real-clock.ts';
import { CliError, usageError } from '../cli-error.ts';
import { SURVEY_TIMEOUT, timeoutOf } from '../cluster-client.ts';
import { text, type Call, type Command } from '../command.ts';
import { datedBeside } from '../dated-beside.ts';
import { ExitCode } from '../exit-code.ts';
import { dateTimeOf } from '../log-line.ts';
import { offline } from '../offline.ts';
import { say, writeAnswer } from '../output.ts';
import { parsePeers } from '../peers.ts';
import { printable } from '../printable.ts';
import { randomSeed } from '../random-seed.ts';
import { isWithin } from '../within.ts';

export const clusterForceRecover: Command = {
  path: 'cluster force-recover',
  describe:
    'last resort, where a majority of the disks is lost for good: found a new cluster on what one of the others has',
  isClient: false,
  flags: [
    {
      name: 'data',
      type: 'string',
      describe: 'directory of a node that is left, and stopped; only read; required',
    },
    {
      name: 'members',
      type: 'string',
      describe: 'the nodes of the new cluster, n1=HOST:PORT,...; default: the node that is left, alone',
    },
    {
      name: 'to',
      type: 'string',
      describe:
        'new directory, which gets one data directory for each member; default: beside the old one, with the date',
    },
    {
      name: 'confirm',
      type: 'string',
      describe: 'id of the cluster that is given up, for scripts; default: it is asked for',
    },
    SURVEY_TIMEOUT,
  ],
  examples: [
    [
      '$0 cluster force-recover --data ./n1',
      'say what is there and what may be lost; ask; go on with one node',
    ],
    [
      '$0 cluster force-recover --data ./n1 --members n1=HOST1:7101,n2=HOST2:7101,n3=HOST3:7101',
      'the same, and go on with three: carry the directories to their hosts',
    ],
  ],
  run: recover,
};

async function recover(call: Call): Promise<number> {
  const given = text(call, 'data');
  if (given === null || given === '')
    throw usageError('--data is missing', 'say whose disk is left: --data DIR');
  const directory = path.resolve(given);
  const to = path.resolve(text(call, 'to') ?? datedBeside(directory, 'recovered', call.now()));
  if (fs.existsSync(directory) && isWithin(to, directory))
    throw usageError(`${to} is in the data directory, which is only read`, 'choose another place: --to DIR');
  if (fs.existsSync(to) && fs.readdirSync(to).length > 0)
    throw usageError(`${to} is not empty`, 'name a new directory: --to DIR');
  const ports = { disk: new FileDisk(), clock: new RealClock(), prng: new Prng(randomSeed()) };
  const lock = offline(directory, () => locked(ports, directory));
  try {
    const survivor = offline(directory, () => surveySurvivor(ports, directory));
    const clusterId = checkSurvivor(survivor, directory);
    const members = membersOf(call, survivor);
    const answers = await askOthers(survivor, timeoutOf(call));
    checkOthers(survivor, answers, directory);
    show(survivor, answers, members);
    await confirm(call, clusterId);
    const recovery = await carryOut(ports, survivor, directory, { members, to });
    await print(call, recovery, members, survivor);
    return ExitCode.ok;
  } finally {
    lock.release();
  }
}

function locked({ disk }: RecoveryPorts, directory: string): { release(): void } {
  try {
    if (!disk.existsSync(directory)) throw new DiskError('open', directory, 'ENOENT', 'no such directory');
    return disk.lockDirectorySync(directory);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ELOCKED') throw error;
    throw new CliError('DATA_LOCKED', ExitCode.refused, error.message, {
      next: `stop the node that runs on ${directory}`,
      cause: error,
    });
  }
}

/** @returns the cluster's id. @throws CliError where there is nothing to build on. */
function checkSurvivor({ identity, configuration, report }: Survivor, directory: string): string {
  if (report.firstBad !== null) {
    throw new CliError(
      'LOG_DAMAGED',
      ExitCode.refused,
      `the log in ${directory} is damaged: ${report.firstBad.what}, in ${report.firstBad.file} at byte ${report.firstBad.position}`,
      { next: `choose a node whose log is good, or see what can be kept: dledger log repair ${directory}` },
    );
  }
  const clusterId = identity.clusterId ?? configuration?.clusterId ?? null;
  if (clusterId !== null && configuration !== null) return clusterId;
  throw new CliError('NOTHING_TO_RECOVER', ExitCode.refused, `${directory} has never belonged to a cluster`, {
    next: 'start a new cluster',
  });
}

function membersOf(call: Call, { identity, configuration }: Survivor): NewMember[] {
  const given = text(call, 'members');
  if (given !== null) {
    const members = parsePeers(given, 'members');
    if (new Set(members.map(({ id }) => id)).size < members.length)
      throw usageError('--members names a node twice');
    return members;
  }
  const self = configuration?.members.find((member) => member.id === identity.nodeId);
  if (self === undefined)
    throw usageError(
      `${identity.nodeId} is no member of its cluster any more`,
      'name the nodes: --members n1=HOST:PORT',
    );
  return [{ id: self.id, address: self.peerAddress }];
}

/** What the other members say that are still of the old cluster. */
async function askOthers({ identity, configuration }: Survivor, timeoutMs: number): Promise<NodeAnswer[]> {
  const others = configuration?.members.filter((member) => member.id !== identity.nodeId) ?? [];
  if (others.length === 0) return [];
  say(`asking ${others.map(({ id, clientAddress }) => `${id} at ${clientAddress}`).join(', ')} ...`);
  const client = new Client({ endpoints: others.map((member) => member.clientAddress) });
  try {
    const { nodes } = await client.status({ timeoutMs });
    const clusterId = identity.clusterId ?? configuration?.clusterId;
    return nodes.filter(({ status }) => status !== null && status.clusterId === clusterId);
  } finally {
    await client.close();
  }
}

/** @throws CliError where the cluster can go on without force, or others have more to go on with. */
function checkOthers(
  { configuration, report, identity }: Survivor,
  answers: readonly NodeAnswer[],
  directory: string,
): void {
  const voters = configuration === null ? [] : voterIds(configuration);
  const self = configuration?.members.find((member) => member.id === identity.nodeId);
  const named = self?.incarnation ?? UNKNOWN_INCARNATION;
  const selfCounts =
    report.hardStateTrusted && (named === UNKNOWN_INCARNATION || named === identity.incarnation);
  const counting = answers.filter(({ status }) => status?.groups[0]?.eligible === true);
  const up = voters.filter((id) => counting.some((answer) => answer.nodeId === id));
  const quorum = Math.floor(voters.length / 2) + 1;
  if (up.length + (selfCounts ? 1 : 0) >= quorum) {
    const all = selfCounts && up.length < quorum ? [...up, identity.nodeId] : up;
    throw new CliError(
      'QUORUM_ANSWERS',
      ExitCode.refused,
      `no force is needed: ${all.join(' and ')} ${all.length > 1 ? 'are' : 'is'} a majority of ${voters.join(', ')}`,
      { next: `start ${identity.nodeId} as it was, with --data ${directory}: nothing is lost` },
    );
  }
  const further = answers.find(({ status }) => (status?.groups[0]?.lastIndex ?? 0) > report.lastIndex);
  if (further !== undefined) {
    throw new CliError(
      'MORE_ELSEWHERE',
      ExitCode.refused,
      `${further.nodeId} answers and has entries up to ${further.status?.groups[0]?.lastIndex}, ${identity.nodeId} only up to ${report.lastIndex}`,
      { next: `stop ${further.nodeId} and recover from its directory` },
    );
  }
}

/** What is there, and what it costs, before anything is asked. */
function show(survivor: Survivor, answers: readonly NodeAnswer[], members: readonly NewMember[]): void {
  const { identity, report, commitHint, lastTimeMs, configuration } = survivor;
  const others = configuration?.members.filter(({ id }) => id !== identity.nodeId).map(({ id }) => id) ?? [];
  const answering = answers.map(({ nodeId }) => nodeId).join(', ');
  for (const line of [
    `cluster   ${configuration?.clusterId ?? '?'}: ${configuration?.members.map(({ id }) => id).join(', ') ?? '?'}`,
    `left      ${identity.nodeId}: entries ${report.firstIndex} to ${report.lastIndex}, the last of term ${report.lastTerm}${lastTimeMs === null ? '' : ` at ${dateTimeOf(lastTimeMs)}`}`,
    `known     committed up to ${commitHint}; what follows becomes committed, acknowledged or not`,
    `answering ${answering === '' ? 'none of the others' : answering}`,
    `lost      whatever was acknowledged behind ${report.lastIndex} and only ${others.join(' and ')} had. How much that is nobody can know from here`,
    `new       ${members.map(({ id, address }) => `${id} at ${address}`).join(', ')}, as another cluster: ${others.join(' and ')} may never come back with ${others.length > 1 ? 'their' : 'its'} old disks`,
  ])
    say(printable(line));
}

async function confirm(call: Call, clusterId: string): Promise<void> {
  let typed = text(call, 'confirm');
  if (typed === null && process.stdin.isTTY) {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    typed = await lines.question(`to give up this cluster, type its id (${clusterId}): `);
    lines.close();
  }
  if (typed?.trim() === clusterId) return;
  throw new CliError(
    'NOT_CONFIRMED',
    ExitCode.refused,
    typed === null
      ? 'nothing was done: this asks for a confirmation'
      : 'nothing was done: that is not the id of this cluster',
    { next: `--confirm ${clusterId}` },
  );
}

async function carryOut(
  ports: RecoveryPorts,
  survivor: Survivor,
  directory: string,
  plan: { readonly members: readonly NewMember[]; readonly to: string },
): Promise<Recovery> {
  try {
    return await new Promise((resolve, reject) => {
      forceRecover(ports, survivor, directory, plan, (error, recovery) => {
        if (recovery !== null) resolve(recovery);
        else reject(error ?? new Error('nothing was made'));
      });
    });
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new CliError(error.code, ExitCode.internal, error.message, {
      next: `${directory} is as it was; remove ${plan.to}, make room there for a copy for each member and one more, and try again`,
      cause: error,
    });
  }
}

async function print(
  call: Call,
  { clusterId, index, term, directories }: Recovery,
  members: readonly NewMember[],
  { identity }: Survivor,
): Promise<void> {
  const peers = members.map(({ id, address }) => `${id}=${address}`).join(',');
  const nodes = directories.map(({ id, directory }) => ({
    id,
    directory,
    start: `dledger start --id ${id} --peers ${peers} --data ${directory}`,
  }));
  await writeAnswer(
    {
      kind: 'Recovery',
      data: { clusterId, replaces: identity.clusterId, index, term, nodes },
      headline: [`cluster ${clusterId} begins behind index ${index}, in term ${term}. Start its nodes:`],
      table: () => nodes.map(({ start }) => [`  ${start}`]),
    },
    call.format,
    call.now(),
  );
}
