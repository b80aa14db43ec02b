import { ClusterWatch, NodeAdmin, type NodeEvent } from '../../client/index.ts';
import { LIMITS } from '../../wire/limits.ts';
import { CliError } from '../cli-error.ts';
import { SURVEY_TIMEOUT, endpointsOf, noneAnswers, survey, timeoutOf } from '../cluster-client.ts';
import { flag, positive, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { dateTimeOf } from '../log-line.ts';
import { structured, writeAnswer, writeOut, type Source } from '../output.ts';
import { printable } from '../printable.ts';
import { untilSignalled } from '../until-signalled.ts';

const COUNT_DEFAULT = 50;
const LEVELS = ['info', 'warn', 'error'] as const;

interface ClusterEvent extends NodeEvent {
  readonly node: string;
}

export const clusterEvents: Command = {
  path: 'cluster events',
  describe:
    'what happened and why, as the nodes wrote it down: elections with votes and reasons, faults, disks',
  isClient: true,
  flags: [
    SURVEY_TIMEOUT,
    { name: 'node', type: 'string', describe: 'of this node only' },
    { name: 'code', type: 'string', describe: 'of this kind only, as the column KIND names it' },
    {
      name: 'level',
      type: 'string',
      describe: 'at least as grave as this',
      choices: LEVELS,
      default: 'info',
    },
    { name: 'count', type: 'number', describe: 'the last so many', default: COUNT_DEFAULT },
    { name: 'follow', alias: 'F', type: 'boolean', describe: 'go on with what comes', default: false },
  ],
  examples: [['$0 cluster events --code election-won', 'every election that is still remembered']],
  run: async (call) => (flag(call, 'follow') ? follow(call) : list(call)),
};

async function list(call: Call): Promise<number> {
  const status = await survey(call);
  const silence = noneAnswers(status);
  if (silence !== null) throw silence;
  const wanted = text(call, 'node');
  if (wanted !== null && !status.nodes.some((node) => node.nodeId === wanted)) {
    throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no node ${wanted}`);
  }
  const asked = status.nodes.filter((node) => wanted === null || node.nodeId === wanted);
  const sources: Source[] = [];
  const events: ClusterEvent[] = [];
  await Promise.all(
    asked.map(async (node) => {
      const id = node.nodeId ?? node.address;
      try {
        const admin = new NodeAdmin(node.address, { timeoutMs: timeoutOf(call) });
        for (const event of await admin.events(0, LIMITS.eventsMax)) events.push({ node: id, ...event });
        sources.push({ node: id, ok: true, error: null });
      } catch (error) {
        sources.push({ node: id, ok: false, error: (error as Error).message });
      }
    }),
  );
  const count = positive(call, 'count') ?? COUNT_DEFAULT;
  const shown = events.filter(filterOf(call)).toSorted(byTime).slice(-count);
  await writeAnswer(
    {
      kind: 'ClusterEvents',
      data: { events: shown },
      sources: sources.toSorted((one, other) => (one.node < other.node ? -1 : 1)),
      table: () => [['TIME', 'LEVEL', 'NODE', 'KIND', 'WHAT'], ...shown.map(rowOf)],
    },
    call.format,
    call.now(),
  );
  return sources.every(({ ok }) => ok) ? ExitCode.ok : ExitCode.partial;
}

/** Until Ctrl-C. Events of different nodes come as they arrive here, not sorted. */
async function follow(call: Call): Promise<number> {
  const matches = filterOf(call);
  const isForPrograms = call.isFormatChosen && call.format !== 'table' && call.format !== 'wide';
  const watch = new ClusterWatch(
    { endpoints: await endpointsOf(call), statusEveryMs: 1000, wantsPast: false },
    {
      onNode: () => undefined,
      onEvents: ({ nodeId, address }, events) => {
        for (const event of events) {
          const told = { node: nodeId ?? address, ...event };
          if (!matches(told)) continue;
          const line = isForPrograms
            ? structured(told, 'ndjson')
            : `${rowOf(told).map(printable).join('  ')}\n`;
          void writeOut(line);
        }
      },
    },
  );
  await untilSignalled();
  watch.close();
  return ExitCode.interrupted;
}

function filterOf(call: Call): (event: ClusterEvent) => boolean {
  const node = text(call, 'node');
  const code = text(call, 'code');
  const grave = LEVELS.indexOf((text(call, 'level') ?? 'info') as (typeof LEVELS)[number]);
  return (event) =>
    (node === null || event.node === node) &&
    (code === null || event.code === code) &&
    LEVELS.indexOf(event.level) >= grave;
}

function byTime(one: ClusterEvent, other: ClusterEvent): number {
  return one.at - other.at || (one.node === other.node ? one.sequence - other.sequence : 0);
}

function rowOf(event: ClusterEvent): string[] {
  return [dateTimeOf(event.at), event.level, event.node, event.code, event.text];
}
