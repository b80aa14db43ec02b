import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Configuration,
  ConfigurationFormatError,
  decodeConfiguration,
  encodeConfiguration,
  findMember,
  type Member,
  MEMBERS_MAX,
  voterIds,
} from '../../src/base/configuration.ts';
import { incarnation, nodeId } from '../../src/base/units.ts';
import { uint32, uint53 } from './support.ts';

const small: Configuration = {
  clusterId: '000102030405060708090a0b0c0d0eff',
  formatVersion: 1,
  members: [member('n1', 11), member('n2', 0), { ...member('n3', 33), role: 'learner' }],
};

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.split('');
const ids = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 64 }).map(nodeId);
const addresses = fc.string({ unit: fc.constantFrom(...letters, ':', '.', '-', '[', ']'), maxLength: 255 });
const configurations: fc.Arbitrary<Configuration> = fc.record({
  clusterId: fc.string({
    unit: fc.constantFrom(...'0123456789abcdef'.split('')),
    minLength: 32,
    maxLength: 32,
  }),
  formatVersion: uint32,
  members: fc
    .uniqueArray(
      fc.record({
        id: ids,
        incarnation: uint53.map(incarnation),
        role: fc.constantFrom('voter' as const, 'learner' as const),
        peerAddress: addresses,
        clientAddress: addresses,
      }),
      { selector: (one) => one.id, minLength: 1, maxLength: MEMBERS_MAX },
    )
    .map((members) => members.toSorted((a, b) => (a.id < b.id ? -1 : 1))),
});

test('a configuration is laid out as documented', () => {
  const one: Configuration = {
    ...small,
    members: [{ ...member('n1', 0x2_0000_0003), peerAddress: 'h:1', clientAddress: '' }],
  };
  expect([...encodeConfiguration(one)]).toEqual(
    [
      [1, 0, 0, 0],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255],
      [1, 0],
      [1, 3, 0, 0, 0, 2, 0, 0, 0],
      [2, 110, 49, 3, 104, 58, 49, 0],
    ].flat(),
  );
});

test('encoding and decoding give back the configuration', () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
    }),
  );
});

test('decoding works inside a larger buffer', () => {
  const bytes = encodeConfiguration(small);
  const larger = new Uint8Array(bytes.length + 7);
  larger.set(bytes, 3);
  expect(decodeConfiguration(larger.subarray(3, 3 + bytes.length))).toEqual(small);
});

test('members are found by id and voters counted by role', () => {
  expect(findMember(small, nodeId('n2'))?.peerAddress).toBe('n2:7101');
  expect(findMember(small, nodeId('n4'))).toBe(null);
  expect(voterIds(small)).toEqual(['n1', 'n2']);
});

describe('encoding refuses', () => {
  test('a cluster id that is not 32 lower-case hexadecimal digits', () => {
    for (const clusterId of [
      '',
      '00',
      small.clusterId.toUpperCase(),
      `${small.clusterId}0`,
      'g'.repeat(32),
    ]) {
      expect(() => encodeConfiguration({ ...small, clusterId })).toThrow(ConfigurationFormatError);
    }
  });

  test('an address that is too long or not printable ASCII', () => {
    for (const peerAddress of ['x'.repeat(256), 'a b', 'h\n', 'höst:1', '\u001b[31m']) {
      const members = [{ ...member('n1', 1), peerAddress }];
      expect(() => encodeConfiguration({ ...small, members })).toThrow(ConfigurationFormatError);
    }
  });

  test('as many members as decoding would', () => {
    const many = Array.from({ length: MEMBERS_MAX + 1 }, (_, at) => member(`n${at}`, 1));
    expect(() => encodeConfiguration({ ...small, members: [] })).toThrow(ConfigurationFormatError);
    expect(() => encodeConfiguration({ ...small, members: many })).toThrow(ConfigurationFormatError);
    const most = { ...small, members: many.slice(1) };
    expect(decodeConfiguration(encodeConfiguration(most))).toEqual(most);
  });
});

describe('decoding refuses', () => {
  const bytes = encodeConfiguration(small);

  test('bytes that end anywhere before their end', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeConfiguration(bytes.subarray(0, length)), `${length}`).toThrow(
        ConfigurationFormatError,
      );
    }
  });

  test('bytes after the last member', () => {
    expect(() => decodeConfiguration(Uint8Array.of(...bytes, 0))).toThrow(ConfigurationFormatError);
  });

  test('counts, roles, incarnations and ids that cannot be', () => {
    const changed = (at: number, ...values: number[]): Uint8Array => {
      const copy = bytes.slice();
      copy.set(values, at);
      return copy;
    };
    const impossible = [
      changed(20, 0, 0),
      changed(20, MEMBERS_MAX + 1, 0),
      changed(22, 0),
      changed(22, 3),
      changed(23, ...Array.from({ length: 8 }, () => 0xff)),
      changed(32, '/'.charCodeAt(0)),
    ];
    for (const one of impossible) expect(() => decodeConfiguration(one)).toThrow(ConfigurationFormatError);
  });

  test('whatever encoding would not have written', () => {
    // One configuration, one run of bytes: so an address cannot smuggle in what a terminal would obey.
    const anywhere = fc.integer({ min: 0, max: bytes.length - 1 });
    fc.assert(
      fc.property(anywhere, fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ mask;
        let decoded: Configuration;
        try {
          decoded = decodeConfiguration(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationFormatError);
          return;
        }
        expect([...encodeConfiguration(decoded)]).toEqual([...changed]);
      }),
      { numRuns: 1000 },
    );
  });
});

function member(id: string, number: number): Member {
  return {
    id: nodeId(id),
    incarnation: incarnation(number),
    role: 'voter',
    peerAddress: `${id}:7101`,
    clientAddress: `${id}:7201`,
  };
}
