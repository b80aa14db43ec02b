import { Client, DledgerError, connect, type ClusterStatus, type NodeAnswer } from '../client/index.ts';
import { parseHostPort } from '../base/host-port.ts';
import { LIMITS } from '../wire/limits.ts';
import { CliError, asCliError, usageError } from './cli-error.ts';
import { text, type Call, type Flag } from './command.ts';
import { isUp } from './control.ts';
import { parseDuration } from './duration.ts';
import { ExitCode } from './exit-code.ts';
import { defaultDirectory, lastUp, readLocalCluster } from './local-cluster.ts';
import type { Source } from './output.ts';

/** Of commands that ask every node: one that hangs holds up the answer for so long. */
export const SURVEY_TIMEOUT: Flag = {
  name: 'timeout',
  type: 'string',
  describe: 'how long to wait for each node: a number with ms, s, m or h',
  default: '5s',
  inConfig: true,
};

/** How long to ask around for why something did not work. */
const EXPLAIN_TIMEOUT_MS = 1000;

/**
 * The endpoints that were given, or those of the cluster that `up` last started from this directory.
 * @throws CliError where there is no such cluster, or it does not run any more.
 */
export async function endpointsOf(call: Call): Promise<string[]> {
  const given = text(call, 'endpoints');
  if (given !== null) return given.split(',').map((endpoint) => checkEndpoint(endpoint.trim()));
  const directory = lastUp();
  if (directory === null) {
    throw usageError(
      'no cluster is named, and none was started from this directory',
      'give --endpoints HOST:PORT,... (or set DLEDGER_ENDPOINTS), or start one with `dledger up`',
    );
  }
  const cluster = readLocalCluster(directory);
  if (cluster === null) {
    throw usageError(
      `the cluster that was last started from this directory is gone: nothing is left in ${directory}`,
      'give --endpoints HOST:PORT,... (or set DLEDGER_ENDPOINTS), or start one with `dledger up`',
    );
  }
  if (cluster.control === null || !(await isUp(cluster.control))) {
    throw new CliError(
      'NOT_UP',
      ExitCode.unreachable,
      `the cluster that was last started from this directory does not run; its data is in ${directory}`,
      {
        next: `start it again with \`dledger up${directory === defaultDirectory() ? '' : ` --data ${directory}`}\`, or give --endpoints HOST:PORT,...`,
        retryable: true,
      },
    );
  }
  return cluster.nodes.map((node) => node.address);
}

function checkEndpoint(endpoint: string): string {
  const port = parseHostPort(endpoint)?.port;
  if (port !== undefined && port > 0) return endpoint;
  throw usageError(
    `--endpoints: ${JSON.stringify(endpoint)} is not HOST:PORT`,
    'write them as 127.0.0.1:7101,127.0.0.1:7102',
  );
}

/** Milliseconds, whole. */
export function timeoutOf(call: Call): number {
  const given = text(call, 'timeout') ?? '';
  const ms = Math.ceil(parseDuration(given, 'timeout'));
  if (ms >= 1 && ms <= LIMITS.durationMsMax) return ms;
  throw usageError(`--timeout ${given} is out of bounds`, 'give 1ms to 1h');
}

/** Without waiting for a connection first: whoever does not answer is part of the answer. */
export async function survey(call: Call): Promise<ClusterStatus> {
  const client = new Client({ endpoints: await endpointsOf(call) });
  try {
    return await client.status({ timeoutMs: timeoutOf(call) });
  } finally {
    await client.close();
  }
}

/** The node of this id, as the cluster knows it. @throws CliError NOT_FOUND that names those there are. */
export function findNode(status: ClusterStatus, id: string): NodeAnswer {
  const node = status.nodes.find((candidate) => candidate.nodeId === id);
  if (node !== undefined) return node;
  const known = status.nodes.map((candidate) => candidate.nodeId ?? candidate.address).join(', ');
  throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no node ${id}`, {
    next: `choose one of ${known}`,
  });
}

/** Whom an answer came from. */
export function sourcesOf(status: ClusterStatus): Source[] {
  return status.nodes.map((node) => ({
    node: node.nodeId ?? node.address,
    ok: node.status !== null,
    error: node.error,
  }));
}

/** Runs with a connected client and closes it whatever happens. Where nobody leads, the error says so and why. */
export async function withClient<T>(call: Call, use: (client: Client) => Promise<T>): Promise<T> {
  const requestTimeoutMs = timeoutOf(call);
  const client = await connect({ endpoints: await endpointsOf(call), requestTimeoutMs });
  try {
    return await use(client);
  } catch (error) {
    throw await explain(client, error);
  } finally {
    await client.close();
  }
}

/** Errors that say no more than that there was no answer in time, and leave nothing undone that may yet happen. */
const VAGUE = new Set(['UNREACHABLE', 'TIMEOUT', 'NO_LEADER', 'NOT_LEADER']);

/**
 * Asks every node what it says, where an error is vague about why there was no answer.
 * @returns the error to throw instead.
 */
export async function explain(client: Client, error: unknown): Promise<unknown> {
  if (!(error instanceof DledgerError) || error.outcome !== 'none' || !VAGUE.has(error.code)) return error;
  const status = await client.status({ timeoutMs: EXPLAIN_TIMEOUT_MS });
  return why(status) ?? asCliError(error);
}

/** What keeps a cluster from answering; null where somebody leads. */
function why(status: ClusterStatus): CliError | null {
  const silence = noneAnswers(status);
  if (silence !== null || status.leaderId !== null) return silence;
  const up = status.nodes.filter((node) => node.status !== null).length;
  const needed = Math.floor(status.nodes.length / 2) + 1;
  const down = status.nodes.find((node) => node.status === null);
  return new CliError(
    'NO_LEADER',
    ExitCode.notNow,
    `the cluster has no leader (${up} of ${status.nodes.length} nodes up, ${needed} needed)`,
    {
      tried: triedOf(status),
      next:
        up >= needed || down === undefined
          ? 'try again: an election takes less than a second; if it does not, look at the logs of the nodes'
          : `start one more node; where \`up\` runs them: dledger node restart ${down.nodeId ?? 'NODE'}`,
      retryable: true,
    },
  );
}

/** The error to show where nobody at all answers; null where somebody does. @param flag that named the nodes. */
export function noneAnswers(status: ClusterStatus, flag: string = 'endpoints'): CliError | null {
  if (status.nodes.some((node) => node.status !== null)) return null;
  return new CliError('UNREACHABLE', ExitCode.unreachable, 'no node answers', {
    tried: triedOf(status),
    next: `check that the nodes run, and that --${flag} names them`,
    retryable: true,
  });
}

function triedOf(status: ClusterStatus): string[] {
  return status.nodes.map((node) => {
    const group = node.status?.groups[0];
    const said = group === undefined ? (node.error ?? 'says nothing') : `${group.role} in term ${group.term}`;
    return `${node.nodeId ?? node.address} ${said}`;
  });
}
