// Sends each line of stdin as a record, as fast as the cluster takes them, and accounts for every one.
//
//   seq 1 1000000 | node examples/send-lines.ts [HOST:PORT,...]

import { createInterface } from 'node:readline';
import { connect } from 'dledger';

const client = await connect({ endpoints: process.argv[2] ?? '127.0.0.1:7101' });
const producer = client.createProducer();
const counts = { stored: 0, unknown: 0, notStored: 0 };

// A promise for each record costs more than the record: the producer calls back instead.
const answered = Promise.withResolvers<void>();
let isEnd = false;
const onAnswer = (error: { readonly outcome: string } | null): void => {
  if (error === null) counts.stored += 1;
  else if (error.outcome === 'unknown') counts.unknown += 1;
  else counts.notStored += 1;
  if (isEnd && producer.pending === 0) answered.resolve();
};

for await (const line of createInterface({ input: process.stdin })) {
  producer.send(Buffer.from(line), onAnswer);
  if (producer.isWritable) continue;
  await new Promise<void>((resolve) => {
    producer.onWritable = resolve;
  });
}
isEnd = true;
if (producer.pending > 0) await answered.promise;

console.log(`${counts.stored} stored, ${counts.unknown} unknown, ${counts.notStored} not stored`);
console.log(`${producer.resent} sent more than once, and stored once`);
await client.close();
