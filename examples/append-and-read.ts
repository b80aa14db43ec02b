// Stores a few records, gets one of them by its index, and reads them all back.
//
//   npm start                                # a cluster on 127.0.0.1:7101..7103
//   node examples/append-and-read.ts         # or: ... HOST:PORT,HOST:PORT

import { connect } from 'dledger';

const client = await connect({ endpoints: process.argv[2] ?? '127.0.0.1:7101' });
const text = new TextDecoder();

const { index, term } = await client.append('a record');
console.log(`stored at index ${index} in term ${term}`);

// One entry, all or nothing: the records of a batch share an index and have ordinals.
const batch = await client.appendBatch(['first', 'second', 'third']);
console.log(`${batch.count} records stored at index ${batch.index}`);

// Calls that do not wait for each other are stored in the order of the calls.
await Promise.all(['a', 'b', 'c'].map((record) => client.append(record)));

const got = await client.get(batch.index);
console.log(
  `index ${batch.index}:`,
  got?.map((record) => text.decode(record.data)),
);

for await (const record of client.read({ from: index })) {
  console.log(`${record.index}.${record.ordinal} ${text.decode(record.data)}`);
}

await client.close();
