import path from 'node:path';
import { Prng } from '../../base/prng.ts';
import { DiskError } from '../../base/ports/disk.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import {
  planRepair,
  repairLog,
  RepairRefusedError,
  type RepairCost,
  type RepairPlan,
} from '../../wal/index.ts';
import { CliError, usageError } from '../cli-error.ts';
import { flag, text, type Call, type Command } from '../command.ts';
import { datedBeside } from '../dated-beside.ts';
import { ExitCode } from '../exit-code.ts';
import { offline } from '../offline.ts';
import { say, writeAnswer } from '../output.ts';
import { randomSeed } from '../random-seed.ts';
import { isWithin } from '../within.ts';

/** What each cost is agreed to with; who agrees to the worst agrees to all. */
const CONSENTS: Readonly<Record<RepairCost, string>> = {
  tidy: 'yes-repair',
  'new-incarnation': 'yes-new-incarnation',
  'lose-records': 'yes-lose-committed-records',
};

const EMPTY_START =
  'move the directory away and start the node with an empty one: the others bring it up to date';

export const logRepair: Command = {
  path: 'log repair',
  describe:
    'say what is wrong with the data directory of a node that is stopped, and put it right where that is agreed to',
  isClient: false,
  positionals: [{ name: 'dir', describe: 'data directory of a node', isRequired: true }],
  flags: [
    {
      name: CONSENTS.tidy,
      type: 'boolean',
      describe: 'do what costs nothing: cut a torn end, rebuild what can be rebuilt',
      default: false,
    },
    {
      name: CONSENTS['new-incarnation'],
      type: 'boolean',
      describe:
        'also what makes the node come back as one that lost its disk: it counts when the others have agreed',
      default: false,
    },
    {
      name: CONSENTS['lose-records'],
      type: 'boolean',
      describe: 'also cut at the first damage: records that no other node has are lost',
      default: false,
    },
    {
      name: 'copy-to',
      type: 'string',
      describe:
        'new directory for what is changed, as it was; default: beside DIR, with the date in its name',
    },
  ],
  examples: [
    ['$0 log repair ./n1', 'what is wrong, and what a repair would do; writes nothing'],
    ['$0 log repair ./n1 --yes-repair', 'do it, if it costs nothing'],
  ],
  run: async (call) => {
    const directory = path.resolve(call.positionals.get('dir') ?? '.');
    const copies = path.resolve(text(call, 'copy-to') ?? datedBeside(directory, 'before-repair', call.now()));
    const allowed = allowedBy(call);
    const disk = new FileDisk();
    const plan = offline(directory, () => {
      if (allowed === null) return planRepair(disk, directory);
      if (isWithin(copies, directory))
        throw usageError(`${copies} is in the data directory`, 'choose another place: --copy-to DIR');
      if (disk.existsSync(copies))
        throw usageError(`${copies} exists`, 'name a new directory: --copy-to DIR');
      return repaired(
        () => repairLog(disk, directory, { allowed, copies, prng: new Prng(randomSeed()) }),
        directory,
      );
    });
    const isDone = allowed !== null && plan.steps.length > 0;
    await print(call, plan, isDone ? copies : null);
    if (isDone && plan.cost !== 'tidy') {
      say(
        `${plan.identity.nodeId} counts again when a majority of the others has committed who it is now: start it`,
      );
      say('where there is no such majority: dledger cluster force-recover');
    }
    if (plan.hopeless !== null) throw hopeless(plan.hopeless);
    if (plan.steps.length > 0 && !isDone)
      throw new CliError('REPAIR_NOT_AGREED', ExitCode.refused, 'nothing was changed', {
        next: `agree to what it costs: dledger log repair ${directory} --${CONSENTS[plan.cost]}`,
      });
    return ExitCode.ok;
  },
};

function allowedBy(call: Call): RepairCost | null {
  const costs: readonly RepairCost[] = ['lose-records', 'new-incarnation', 'tidy'];
  return costs.find((cost) => flag(call, CONSENTS[cost])) ?? null;
}

function repaired(repair: () => RepairPlan, directory: string): RepairPlan {
  try {
    return repair();
  } catch (error) {
    if (error instanceof RepairRefusedError) {
      if (error.code === 'REPAIR_HOPELESS') throw hopeless(error.message);
      throw new CliError(
        error.code,
        ExitCode.refused,
        `nothing was changed, for it would take more than was agreed to: ${error.message}`,
        {
          next: `agree to it with --${CONSENTS[error.plan.cost]}`,
          cause: error,
        },
      );
    }
    if (error instanceof DiskError && error.code === 'ELOCKED') {
      throw new CliError('DATA_LOCKED', ExitCode.refused, error.message, {
        next: `stop the node that runs on ${directory}`,
        cause: error,
      });
    }
    throw error;
  }
}

function hopeless(why: string): CliError {
  return new CliError('REPAIR_HOPELESS', ExitCode.refused, `this cannot be repaired here: ${why}`, {
    next: EMPTY_START,
  });
}

async function print(call: Call, plan: RepairPlan, copies: string | null): Promise<void> {
  const { identity, steps, cost, hopeless: why, firstIndex, lastIndex } = plan;
  const data = { nodeId: identity.nodeId, steps, cost, hopeless: why, firstIndex, lastIndex, copies };
  const did = copies === null ? 'to do' : `done; as it was: ${copies}`;
  await writeAnswer(
    {
      kind: 'LogRepair',
      data,
      table: () =>
        steps.length === 0 ? [] : [['COST', 'STEP'], ...steps.map((step) => [step.cost, step.what])],
      headline: [
        steps.length === 0 ? 'nothing to repair' : `entries ${firstIndex} to ${lastIndex} are good; ${did}`,
      ],
    },
    call.format,
    call.now(),
  );
}
