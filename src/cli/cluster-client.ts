import { connect, type Client } from '../client/index.ts';
import { usageError } from './cli-error.ts';
import { text, type Call } from './command.ts';
import { parseDuration } from './duration.ts';
import { lastUp, readLocalCluster } from './local-cluster.ts';

/** The endpoints that were given, or those of the cluster that `up` last started from this directory. */
export function endpointsOf(call: Call): string[] {
  const given = text(call, 'endpoints');
  if (given !== null) return given.split(',').map((endpoint) => endpoint.trim());
  const directory = lastUp();
  const cluster = directory === null ? null : readLocalCluster(directory);
  if (cluster === null) {
    throw usageError(
      'no cluster is named, and none was started from this directory',
      'give --endpoints HOST:PORT,... (or DLEDGER_ENDPOINTS), or start one with `dledger up`',
    );
  }
  return cluster.nodes.map((node) => node.address);
}

export function timeoutOf(call: Call): number {
  return parseDuration(text(call, 'timeout') ?? '30s', 'timeout');
}

/** Runs with a connected client and closes it whatever happens. */
export async function withClient<T>(call: Call, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect({ endpoints: endpointsOf(call), requestTimeoutMs: timeoutOf(call) });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
