import type { Configuration } from '../../../src/base/configuration.ts';
import { configurationDraft, FORMAT_VERSION } from '../../../src/base/configuration.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { type Entry, type EntryDraft, EntryKind, sealEntries } from '../../../src/base/entry.ts';
import {
  FIRST_GROUP,
  type Incarnation,
  incarnation,
  logIndex,
  type NodeId,
  nodeId,
  term,
  UNKNOWN_INCARNATION,
} from '../../../src/base/units.ts';
import type { TermRun } from '../../../src/raft/ready.ts';

export const [n1, n2, n3, n4, n5]: readonly [NodeId, NodeId, NodeId, NodeId, NodeId] = [
  nodeId('n1'),
  nodeId('n2'),
  nodeId('n3'),
  nodeId('n4'),
  nodeId('n5'),
];
export const trio: readonly NodeId[] = [n1, n2, n3];
export const quintet: readonly NodeId[] = [n1, n2, n3, n4, n5];

/** What `incarnation` a node has as long as its disk was never wiped. */
export function firstIncarnationOf(id: NodeId): Incarnation {
  return incarnation(1000 + Number(id.slice(1)));
}

/** The cluster as its log records it (with incarnations) or as its operators named it (without). */
export function configurationOf(
  ids: readonly NodeId[],
  incarnationOf: (id: NodeId) => Incarnation = firstIncarnationOf,
): Configuration {
  return {
    clusterId: '00112233445566778899aabbccddeeff',
    formatVersion: FORMAT_VERSION,
    members: ids.map((id) => ({
      id,
      incarnation: incarnationOf(id),
      role: 'voter',
      peerAddress: `${id}:7101`,
      clientAddress: `${id}:7201`,
    })),
  };
}

export function bootstrapOf(ids: readonly NodeId[]): Configuration {
  return configurationOf(ids, () => UNKNOWN_INCARNATION);
}

/** A proposal with this text, padded to `bodyBytes`. */
export function draft(text: string, bodyBytes = 0): EntryDraft {
  const words = new TextEncoder().encode(text);
  const body = new Uint8Array(Math.max(words.length, bodyBytes));
  body.set(words);
  return { kind: EntryKind.batch, version: 1, queue: 0, recordCount: 1, body, bodyChecksum: crc32(body) };
}

/**
 * A log written as the terms of its entries, the way the paper draws logs. Entry 1 is the configuration of `ids`. The
 * same terms give the same bytes, so logs that are drawn alike match in the sense of the log matching property.
 */
export function logOf(
  terms: readonly number[],
  ids: readonly NodeId[] = trio,
  incarnationOf: (id: NodeId) => Incarnation = firstIncarnationOf,
): Entry[] {
  const log: Entry[] = [];
  for (const [at, one] of terms.entries()) {
    const body =
      at === 0
        ? configurationDraft(configurationOf(ids, incarnationOf))
        : draft(`entry ${at + 1} of term ${one}`);
    log.push(
      ...sealEntries([body], {
        group: FIRST_GROUP,
        firstIndex: logIndex(at + 1),
        term: term(one),
        time: 1_700_000_000_000 + at,
        previousChecksum: log.at(-1)?.checksum ?? 0,
      }),
    );
  }
  return log;
}

export function termsOf(log: readonly Entry[]): number[] {
  return log.map((entry) => entry.term);
}

export function termRunsOf(log: readonly Entry[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const entry of log) {
    if (runs.at(-1)?.term !== entry.term) runs.push({ firstIndex: entry.index, term: entry.term });
  }
  return runs;
}
