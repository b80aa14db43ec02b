// Prints records as they come, across failovers, until it is interrupted. Start it, append something from another
// terminal, and kill the leader.
//
//   node examples/follow.ts [HOST:PORT,...]

import { AbortedError, connect } from 'dledger';

const client = await connect({ endpoints: process.argv[2] ?? '127.0.0.1:7101' });
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());

const status = await client.status();
console.log(`${status.leaderId ?? 'nobody'} leads; ${status.nodes.length} nodes known`);

// To begin behind what is there, ask the leader how far that goes.
const leader = status.nodes.find((node) => node.nodeId === status.leaderId);
const from = (leader?.status?.groups[0]?.commitIndex ?? 0) + 1;

try {
  for await (const record of client.tail({ from, signal: interrupted.signal })) {
    console.log(`${record.index}.${record.ordinal} ${new TextDecoder().decode(record.data)}`);
  }
} catch (error) {
  if (!(error instanceof AbortedError)) throw error;
} finally {
  await client.close();
}
