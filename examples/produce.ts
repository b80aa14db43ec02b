// Sends orders of some customers to a topic, and says where each was stored.
//
//   npm start                                # a cluster on 127.0.0.1:7101..7103
//   node examples/produce.ts                 # or: ... HOST:PORT,HOST:PORT

import { RefusedError, connect } from 'dledger';

const client = await connect({ endpoints: process.argv[2] ?? '127.0.0.1:7101' });
try {
  await client.admin.createTopic({ name: 'orders', queues: 4 });
} catch (error) {
  if (!(error instanceof RefusedError && error.code === 'TOPIC_EXISTS')) throw error;
}

const producer = client.createTopicProducer();
for (let at = 1; at <= 20; at += 1) {
  const key = `customer-${at % 5}`;
  const { queue, offset } = await producer.send('orders', { key, tag: 'new', body: `order ${at}` });
  console.log(`order ${at} of ${key} is in queue ${queue} at offset ${offset}`);
}
await producer.close();
await client.close();
