import { expect, test } from 'vitest';
import { decodeConfiguration, encodeConfiguration } from '../../src/base/configuration.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { EntryKind, entryBody } from '../../src/base/entry.ts';
import { Prng } from '../../src/base/prng.ts';
import { FIRST_GROUP, nodeId, type Incarnation } from '../../src/base/units.ts';
import { forceRecover, surveySurvivor, type Recovery } from '../../src/node/index.ts';
import { DirectoryRefusedError, verifyLog, Wal } from '../../src/wal/index.ts';
import { diesIn } from '../support/dies-in.ts';
import { Bench, DIRECTORY, index, N1, N2, term } from '../wal/harness.ts';

const OLD = '0123456789abcdef0123456789abcdef';
const TO = '/recovered';
const MEMBERS = [
  { id: 'n1', address: 'a:1' },
  { id: 'n4', address: 'd:1' },
];

/** A node of a cluster of three: 40 entries, of which 21 are known to be committed. */
function survivor(): Bench {
  const bench = new Bench();
  const { identity } = bench.open();
  const body = encodeConfiguration({
    clusterId: OLD,
    formatVersion: 1,
    members: ['n1', 'n2', 'n3'].map((id, at) => ({
      id: nodeId(id),
      incarnation: (id === 'n1' ? identity.incarnation : 1000 + at) as Incarnation,
      role: 'voter' as const,
      peerAddress: `${id}:1`,
      clientAddress: `${id}:1`,
    })),
  });
  bench.write(1, { kind: EntryKind.configuration, body, hardState: { term: term(1), votedFor: N1 } });
  bench.wal.setClusterId(OLD);
  bench.write(20, { bodyBytes: 1000 });
  bench.wal.noteCommit(index(21));
  bench.write(19, { bodyBytes: 1500, hardState: { term: term(4), votedFor: N2 } });
  bench.close();
  // What is not certain yet is settled, so that what changes from here on was changed.
  bench.disk.powerCut('all');
  return bench;
}

function recover(bench: Bench): Recovery | null {
  const ports = { disk: bench.disk, clock: bench.clock, prng: new Prng(5) };
  let made: Recovery | null = null;
  const left = surveySurvivor(ports, DIRECTORY);
  forceRecover(ports, left, DIRECTORY, { members: MEMBERS, to: TO }, (error, recovery) => {
    if (error !== null) throw error;
    made = recovery;
  });
  bench.settle();
  return made;
}

function openAs(bench: Bench, id: string): Wal {
  return Wal.open({
    disk: bench.disk,
    clock: bench.clock,
    prng: bench.prng,
    directory: `${TO}/${id}`,
    nodeId: nodeId(id),
    group: FIRST_GROUP,
    onDurable: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
}

function filesOf({ disk }: Bench): Map<string, string> {
  const paths = disk.paths.filter((path) => path.startsWith(`${DIRECTORY}/`) && !path.includes('lock'));
  return new Map(paths.map((path) => [path, String(crc32(disk.visible(path)))]));
}

test('says what is left', () => {
  const bench = survivor();
  expect(surveySurvivor({ disk: bench.disk, clock: bench.clock, prng: bench.prng }, DIRECTORY)).toMatchObject(
    {
      identity: { nodeId: 'n1', clusterId: OLD },
      configuration: { members: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }] },
      report: { ok: true, lastIndex: 40, lastTerm: 1 },
      commitHint: 21,
    },
  );
});

test('finds the members of a log that begins later in its checkpoint', () => {
  const bench = survivor();
  bench.open();
  for (let count = 0; count < 10; count += 1) bench.write(10, { bodyBytes: 1500, term: 4 });
  const founding = entryBody(bench.wal.configurationEntries(index(0))[0] as never);
  const checksum = bench.wal.checksumAt(index(120));
  bench.writeCheckpoint({ index: index(120), term: term(4), checksum, configuration: founding.slice() }, 10);
  const firstIndex = bench.wal.trimTo(index(110));
  expect(firstIndex).toBeGreaterThan(20);
  bench.settle();
  bench.close();
  const ports = { disk: bench.disk, clock: bench.clock, prng: bench.prng };
  const left = surveySurvivor(ports, DIRECTORY);
  expect(left.configuration?.members.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3']);
  expect(left.commitHint).toBe(120);
  expect(recover(bench)).toMatchObject({ index: 141, term: 5 });
  const wal = openAs(bench, 'n4');
  expect([wal.firstIndex, wal.lastIndex, wal.commitHint]).toEqual([firstIndex, 141, 141]);
});

test('gives every new member the same log, which names them, in a term and a cluster of their own', () => {
  const bench = survivor();
  const before = filesOf(bench);
  const recovery = recover(bench);
  expect(filesOf(bench)).toEqual(before);
  expect(recovery).toMatchObject({ index: 41, term: 5 });
  expect(recovery?.clusterId).not.toBe(OLD);
  const incarnations = new Set<Incarnation>([verifyLog(bench.disk, DIRECTORY).identity.incarnation]);
  for (const { id } of MEMBERS) {
    const wal = openAs(bench, id);
    expect(wal.identity).toMatchObject({ nodeId: id, clusterId: recovery?.clusterId, replaces: [OLD] });
    expect([wal.lastIndex, wal.commitHint, wal.hardStateTrusted]).toEqual([41, 41, true]);
    expect(wal.hardState).toEqual({ term: 5, votedFor: null });
    const named = decodeConfiguration(entryBody(wal.configurationEntries(index(40))[0] as never));
    expect(named.clusterId).toBe(recovery?.clusterId);
    expect(named.members.map((member) => member.id)).toEqual(['n1', 'n4']);
    expect(named.members.find((member) => member.id === id)?.incarnation).toBe(wal.identity.incarnation);
    incarnations.add(wal.identity.incarnation);
  }
  expect(incarnations.size).toBe(3);
});

test('may be interrupted anywhere: what has its name is whole, and the survivor is as it was', () => {
  const before = filesOf(survivor());
  let at = 0;
  for (let ended = false; !ended; at += 2) {
    const bench = survivor();
    bench.cutPowerAt(bench.disk.operations + at);
    diesIn(bench.disk, () => {
      ended = recover(bench) !== null;
    });
    expect(filesOf(bench)).toEqual(before);
    for (const { id } of MEMBERS) {
      const names = bench.disk.paths.filter((path) => path.startsWith(`${TO}/${id}/`));
      if (names.includes(`${TO}/${id}/identity`)) expect(openAs(bench, id).lastIndex).toBe(41);
      else if (names.length > 0) expect(() => openAs(bench, id)).toThrow(DirectoryRefusedError);
    }
  }
  expect(at).toBeGreaterThan(30);
});
