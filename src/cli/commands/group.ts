import type { GroupInfo, QueueLag } from '../../client/index.ts';
import { usageError } from '../cli-error.ts';
import { withClient } from '../cluster-client.ts';
import { flag, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';
import { parsePlace } from '../place.ts';

const NAME = { name: 'name', describe: 'of the group', isRequired: true } as const;

export const groupList: Command = {
  path: 'group list',
  describe: 'all consumer groups',
  isClient: true,
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      const groups = await client.admin.listGroups();
      await writeAnswer(
        {
          kind: 'Groups',
          data: { groups },
          table: () => [
            ['GROUP', 'STATE', 'MEMBERS', 'GENERATION'],
            ...groups.map(({ name, state, memberCount, generation }) =>
              [name, state, memberCount, generation].map(String),
            ),
          ],
        },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    }),
};

export const groupDescribe: Command = {
  path: 'group describe',
  describe: 'the members of a group, and which queues each reads',
  isClient: true,
  positionals: [NAME],
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      const group = await client.admin.describeGroup(nameOf(call));
      await writeAnswer(
        {
          kind: 'Group',
          data: group,
          headline: [`group ${group.name}: ${group.state}, generation ${group.generation}`, ''],
          table: (wide) => membersOf(group, wide),
        },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    }),
};

export const groupLag: Command = {
  path: 'group lag',
  describe: 'how far a group is in each queue, and how many records are left to read',
  isClient: true,
  positionals: [NAME],
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      const group = nameOf(call);
      const queues = await client.admin.groupLag(group);
      await writeAnswer(
        { kind: 'GroupLag', data: { group, queues }, table: () => lagsOf(queues) },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    }),
};

export const groupReset: Command = {
  path: 'group reset',
  describe: 'move the positions of a group that has no members',
  isClient: true,
  positionals: [NAME],
  flags: [
    {
      name: 'to',
      type: 'string',
      describe: 'earliest, latest, an offset, or a time: @2026-11-23T09:00:00Z, @-5m',
    },
    { name: 'topic', type: 'string', describe: 'only this one; default: all of which it has positions' },
    { name: 'dry-run', type: 'boolean', describe: 'say what would be done, and do nothing', default: false },
  ],
  examples: [['$0 group reset billing --to @-1h --dry-run', 'what reading the last hour again would mean']],
  run: async (call) => {
    const given = text(call, 'to');
    if (given === null)
      throw usageError('--to is missing', 'say where to: --to earliest, latest, OFFSET or @TIME');
    const to = parsePlace(given, 'to', call.now());
    const dryRun = flag(call, 'dry-run');
    return withClient(call, async (client) => {
      const group = nameOf(call);
      const queues = await client.admin.resetGroup(group, { topic: text(call, 'topic'), to, dryRun });
      await writeAnswer(
        {
          kind: dryRun ? 'GroupResetPlan' : 'GroupReset',
          data: { group, dryRun, queues },
          table: () => [
            ['TOPIC', 'QUEUE', 'BEFORE', 'AFTER'],
            ...queues.map(({ topic, queue, before, after }) =>
              [topic, queue, before ?? '-', after].map(String),
            ),
          ],
        },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    });
  },
};

export const groupDelete: Command = {
  path: 'group delete',
  describe: 'forget a group that has no members, with its positions',
  isClient: true,
  positionals: [NAME],
  flags: [{ name: 'yes', type: 'boolean', describe: 'really', default: false }],
  run: async (call) => {
    const group = nameOf(call);
    if (!flag(call, 'yes'))
      throw usageError(`how far ${group} has read cannot be brought back`, 'if that is meant, say --yes');
    return withClient(call, async (client) => {
      await client.admin.deleteGroup(group);
      await writeAnswer(
        { kind: 'GroupDeleted', data: { group }, table: () => [['GROUP'], [group]] },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    });
  },
};

function nameOf(call: Call): string {
  return call.positionals.get('name') ?? '';
}

function membersOf({ members }: GroupInfo, wide: boolean): string[][] {
  return [
    ['MEMBER', 'CLIENT', 'QUEUES', ...(wide ? ['INSTANCE', 'SESSION', 'TOPICS'] : [])],
    ...members.map((member) => {
      const queues = member.queues.map(
        ({ topic, ordinal, isRevoking }) => `${topic}/${ordinal}${isRevoking ? ' (leaving)' : ''}`,
      );
      const more = [member.instance, `${member.sessionTimeoutMs}ms`, member.topics.join(',')];
      return [
        String(member.memberId),
        member.clientName === '' ? '-' : member.clientName,
        queues.length === 0 ? '-' : queues.join(', '),
        ...(wide ? more : []),
      ];
    }),
  ];
}

/** What is not known is no zero. */
function lagsOf(queues: readonly QueueLag[]): string[][] {
  return [
    ['TOPIC', 'QUEUE', 'COMMITTED', 'END', 'LAG'],
    ...queues.map(({ topic, queue, committed, end, lag }) =>
      [topic, queue, committed ?? '-', end, lag ?? '-'].map(String),
    ),
  ];
}
