import { expect, test } from 'vitest';
import type { NodeId } from '../../src/base/units.ts';
import { shareDone, snapshotFor, snapshotOf, snapshotText } from '../../src/cli/snapshot-text.ts';
import type { SnapshotStatus } from '../../src/wire/status-schema.ts';

const incoming: SnapshotStatus = {
  direction: 'in',
  peer: 'n1' as NodeId,
  index: 900,
  bytes: 1000,
  doneBytes: 437,
};
const outgoing: SnapshotStatus = { ...incoming, direction: 'out', peer: 'n3' as NodeId, doneBytes: 999 };

test('a snapshot on its way says how far it is, and never that it is done before it is', () => {
  expect(snapshotText(incoming)).toBe('installing snapshot 43 %');
  expect(snapshotText(outgoing)).toBe('sending snapshot 99 %');
  expect(shareDone({ ...outgoing, doneBytes: 1000 })).toBe('100 %');
});

test('it is found by who gets it', () => {
  expect(snapshotOf({ snapshots: [outgoing, incoming] })).toBe(incoming);
  expect(snapshotOf({ snapshots: [outgoing] })).toBeNull();
  expect(snapshotFor([incoming, outgoing], 'n3')).toBe(outgoing);
  expect(snapshotFor([incoming, outgoing], 'n1')).toBeNull();
});
