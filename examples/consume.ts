// Works on the orders that examples/produce.ts sends, as a member of a group, until it is interrupted. Start it twice, and
// the two share the queues; kill one, and the other takes over where it had committed.
//
//   node examples/consume.ts [HOST:PORT,...]

import { connect } from 'dledger';

const client = await connect({ endpoints: process.argv[2] ?? '127.0.0.1:7101' });
const consumer = client.createConsumer({
  topics: 'orders',
  group: 'billing',
  clientName: 'examples/consume',
  onAssigned: (queues) => console.log(`now mine: ${queues.map(({ ordinal }) => ordinal).join(', ')}`),
  onRevoked: (queues) => console.log(`handed over: ${queues.map(({ ordinal }) => ordinal).join(', ')}`),
});
process.once('SIGINT', () => void consumer.close());

const text = new TextDecoder();
for await (const { queue, offset, key, body } of consumer) {
  console.log(`${queue}:${offset} ${key}: ${text.decode(body)}`);
}
await client.close();
