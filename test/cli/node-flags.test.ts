import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { start } from '../../src/cli/commands/start.ts';
import { CliError } from '../../src/cli/cli-error.ts';
import { nodeOptionsOf } from '../../src/cli/node-flags.ts';
import { parse } from '../../src/cli/parse.ts';
import { NODE_DEFAULTS, type NodeOptions } from '../../src/node/index.ts';

const NODE = ['--id', 'n1', '--peers', 'n1=127.0.0.1:7101,n2=[::1]:7102', '--data', 'some/n1'];

async function options(...words: string[]): Promise<NodeOptions> {
  const parsed = await parse([start], ['start', ...words], '0.0.0', {});
  if (parsed === null) throw new Error('nothing was asked for');
  return nodeOptionsOf(parsed.call);
}

async function refusal(...words: string[]): Promise<string> {
  const error = await options(...words).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CliError)) throw new Error(`not refused: ${String(error)}`);
  expect(error.exitCode).toBe(2);
  return `${error.message} / ${error.next ?? ''}`;
}

describe('the options of a node', () => {
  test('are the defaults of a node where nothing is said', async () => {
    expect(await options(...NODE)).toEqual({
      ...NODE_DEFAULTS,
      id: 'n1',
      peers: [
        { id: 'n1', address: '127.0.0.1:7101' },
        { id: 'n2', address: '[::1]:7102' },
      ],
      dataDirectory: path.resolve('some/n1'),
    });
  });

  test('are what was said', async () => {
    const said = [
      '--listen',
      '0.0.0.0:9',
      '--priority',
      '3',
      '--segment-mib',
      '0.5',
      '--cache-mib',
      '1',
      '--snapshot-mib-per-s',
      '2',
      '--retention-age',
      '2h',
      '--retention-size',
      '512',
      '--retention-disk',
      '0.5',
    ];
    expect(await options(...NODE, ...said, '--unsafe-no-sync')).toMatchObject({
      listen: { host: '0.0.0.0', port: 9 },
      priority: 3,
      segmentBytes: 512 * 1024,
      checkpointEveryBytes: 512 * 1024,
      cacheBytesMax: 1024 * 1024,
      snapshotBytesPerSecondMax: 2 * 1024 * 1024,
      retentionMs: 7_200_000,
      retentionBytes: 512 * 1024 * 1024,
      retentionDiskShare: 0.5,
      durability: 'unsafe-no-sync',
    });
  });

  test('have times that belong together', async () => {
    const lan = await options(...NODE, '--profile', 'lan');
    const wan = await options(...NODE, '--profile', 'wan');
    for (const { tickMs, heartbeatMs, electionTimeoutMsMin, electionTimeoutMsMax } of [lan, wan]) {
      expect(heartbeatMs % tickMs).toBe(0);
      expect(electionTimeoutMsMin).toBeGreaterThan(2 * heartbeatMs);
      expect(electionTimeoutMsMax).toBe(2 * electionTimeoutMsMin);
    }
    expect(wan.electionTimeoutMsMin).toBe(10 * lan.electionTimeoutMsMin);
  });

  test.each([
    [[], '--id is missing'],
    [['--id', 'n1'], '--peers is missing'],
    [['--id', 'n1', '--peers', 'n1=127.0.0.1:7101'], '--data is missing'],
    [['--id', '', '--peers', 'n1=127.0.0.1:7101', '--data', 'x'], '--id is missing'],
    [[...NODE, '--listen', '7101'], '--listen "7101"'],
    [[...NODE, '--segment-mib', '0'], '--segment-mib 0'],
    [[...NODE, '--segment-mib', '1025'], '--segment-mib 1025'],
    [[...NODE, '--cache-mib', '-1'], '--cache-mib -1'],
    [[...NODE, '--retention-age', '3 days'], '--retention-age 3 days'],
    [[...NODE, '--retention-size', '0'], '--retention-size 0'],
    [[...NODE, '--retention-disk', '85'], '--retention-disk 85'],
  ])('are refused by name: %j', async (words, named) => {
    expect(await refusal(...words)).toContain(named);
  });
});
