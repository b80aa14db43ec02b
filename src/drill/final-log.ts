import type { LogIndex } from '../base/units.ts';
import type { FinalEntry } from '../check/index.ts';
import { parseEndpoints } from '../client/endpoint.ts';
import { askNode } from '../client/node-request.ts';
import { pageRequest, type Page } from '../client/reader-core.ts';
import { realPorts } from '../client/real-ports.ts';
import { valueOf } from './payload.ts';

const PAGE_TIMEOUT_MS = 5000;
const PAGE_ENTRIES = 8192;

/**
 * Reads the records of one node's own log, from that node and no other, as far as it knows them to be committed.
 * @param to last index wanted.
 * @param onEntry called for each entry that holds records, by ascending index.
 * @throws Error that says why the node does not answer.
 */
export async function readNodeLog(
  address: string,
  from: number,
  to: number,
  onEntry: (entry: FinalEntry) => void,
): Promise<void> {
  let next = from as LogIndex;
  while (next <= to) {
    const page = await readPage(address, next, Math.min(PAGE_ENTRIES, to - next + 1));
    for (const entry of entriesOf(page)) if (entry.index <= to) onEntry(entry);
    if (page.nextIndex <= next)
      throw new Error(`${address} knows the log up to ${page.commitIndex}, not ${to}`);
    next = page.nextIndex;
  }
}

async function readPage(address: string, from: LogIndex, entriesMax: number): Promise<Page> {
  const timeoutMs = PAGE_TIMEOUT_MS;
  const request = pageRequest(from, {
    entriesMax,
    waitMs: 0,
    consistency: 'committed',
    timeoutMs,
  });
  const [endpoint] = parseEndpoints(address);
  const ask = {
    kind: request.kind,
    body: request.encode(timeoutMs),
    decode: (body: Uint8Array) => request.decode(body),
    timeoutMs,
  };
  return new Promise((resolve, reject) => {
    if (endpoint === undefined) return;
    askNode(endpoint, null, ask, realPorts(), (error, page) => {
      if (page === null) reject(new Error(`${address}: ${error?.message ?? 'no answer'}`));
      else resolve(page);
    });
  });
}

function entriesOf({ records }: Page): FinalEntry[] {
  const entries: { index: number; term: number; values: string[] }[] = [];
  for (const { index, term, data } of records) {
    const last = entries.at(-1);
    if (last?.index === index) last.values.push(valueOf(data));
    else entries.push({ index, term, values: [valueOf(data)] });
  }
  return entries;
}
