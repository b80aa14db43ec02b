import { connect } from '../../src/client/index.ts';

const RECORD_BYTES = 1024;
const RECORDS_PER_BATCH = 100;
const IN_FLIGHT = 32;

/** Appends about so many bytes of records, as fast as the cluster takes them. @returns how many it was. */
export async function fill(
  endpoints: readonly string[],
  bytes: number,
  progress: (bytes: number) => void,
): Promise<number> {
  const client = await connect({ endpoints });
  const producer = client.createProducer({ inFlightMax: IN_FLIGHT });
  const record = new Uint8Array(RECORD_BYTES).fill(120);
  const batch = Array.from({ length: RECORDS_PER_BATCH }, () => record);
  const batchBytes = RECORD_BYTES * RECORDS_PER_BATCH;
  const batches = Math.ceil(bytes / batchBytes);
  let [sent, stored] = [0, 0];
  try {
    await new Promise<void>((resolve, reject) => {
      const next = (): void => {
        if (sent === batches) return;
        sent += 1;
        producer.send(batch, (error) => {
          stored += 1;
          if (error !== null) reject(error);
          else if (stored === batches) resolve();
          else next();
          if (stored % 1000 === 0) progress(stored * batchBytes);
        });
      };
      for (let lane = 0; lane < IN_FLIGHT; lane += 1) next();
    });
  } finally {
    producer.close();
    await client.close();
  }
  return batches * batchBytes;
}
