import { describe, expect, test } from 'vitest';
import {
  decodeAdmin,
  decodeAdminResult,
  decodeGroup,
  decodeGroupResult,
  encodeAdmin,
  encodeAdminResult,
  encodeGroup,
  encodeGroupResult,
  type AdminRequest,
  type AdminResult,
  type GroupRequest,
  type GroupResult,
  type TopicInfo,
} from '../../src/wire/broker-schema.ts';
import { WireError } from '../../src/wire/frame-parser.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { encodeMsgpack } from '../../src/wire/msgpack.ts';

const deadlineMs = 1000;
const retention = { retentionMs: null, retentionBytes: 1_000_000 };

const adminRequests: readonly AdminRequest[] = [
  { op: 'createTopic', deadlineMs, name: 'orders', queues: 4, ...retention },
  { op: 'alterTopic', deadlineMs, name: 'orders', retentionMs: 60_000, retentionBytes: null },
  { op: 'deleteTopic', deadlineMs, name: 'orders' },
  { op: 'listTopics', deadlineMs },
  { op: 'describeTopic', deadlineMs, name: 'orders' },
  { op: 'findByKey', deadlineMs, topic: 'orders', key: 'k', max: 10 },
  { op: 'findByTime', deadlineMs, topic: 'orders', timeMs: 1_700_000_000_000 },
  { op: 'listGroups', deadlineMs },
  { op: 'describeGroup', deadlineMs, group: 'billing' },
  { op: 'groupLag', deadlineMs, group: 'billing' },
  {
    op: 'resetGroup',
    deadlineMs,
    group: 'billing',
    topic: null,
    to: { kind: 'earliest', value: null },
    dryRun: true,
  },
  {
    op: 'resetGroup',
    deadlineMs,
    group: 'billing',
    topic: 'orders',
    to: { kind: 'offset', value: 7 },
    dryRun: false,
  },
  { op: 'deleteGroup', deadlineMs, group: 'billing' },
];

const topic: TopicInfo = {
  name: 'orders',
  topicId: 12,
  createdAtMs: 1_700_000_000_000,
  ...retention,
  queues: [{ id: 3, ordinal: 0, firstOffset: 1, endOffset: 2 ** 40 }],
};

const adminResults: readonly AdminResult[] = [
  { op: 'createTopic', topic },
  { op: 'alterTopic', topic },
  { op: 'deleteTopic', name: 'orders', topicId: 12 },
  {
    op: 'listTopics',
    topics: [{ name: 'orders', topicId: 12, createdAtMs: 5, ...retention, queueCount: 4, records: 100 }],
  },
  { op: 'describeTopic', topic },
  { op: 'findByKey', found: [{ id: 3, ordinal: 0, offset: 9, index: 77 }] },
  { op: 'findByTime', queues: [{ id: 3, ordinal: 0, offset: 9 }] },
  { op: 'listGroups', groups: [{ name: 'billing', generation: 3, state: 'stable', memberCount: 2 }] },
  {
    op: 'describeGroup',
    group: {
      name: 'billing',
      generation: 3,
      state: 'rebalancing',
      members: [
        {
          memberId: 20,
          instance: 'i1',
          clientName: 'c',
          topics: ['orders'],
          sessionTimeoutMs: 10_000,
          queues: [{ topic: 'orders', ordinal: 0, id: 3, isRevoking: true }],
        },
      ],
    },
  },
  {
    op: 'groupLag',
    group: 'billing',
    queues: [
      { topic: 'orders', queue: 0, id: 3, committed: 5, first: 0, end: 9, lag: 4 },
      { topic: 'orders', queue: 1, id: 4, committed: null, first: 0, end: 9, lag: null },
    ],
  },
  {
    op: 'resetGroup',
    group: 'billing',
    queues: [{ topic: 'orders', queue: 0, id: 3, before: null, after: 0 }],
  },
  { op: 'deleteGroup', group: 'billing' },
];

const join: GroupRequest = {
  op: 'join',
  deadlineMs,
  group: 'billing',
  instance: 'i1',
  clientName: 'c',
  topics: ['orders'],
  sessionTimeoutMs: 10_000,
};
const commit: GroupRequest = {
  op: 'commit',
  deadlineMs,
  group: 'billing',
  memberId: 20,
  sequence: 4,
  positions: [{ queue: 3, offset: 2 ** 50 }],
  release: [4],
};
const groupRequests: readonly GroupRequest[] = [
  join,
  { op: 'heartbeat', deadlineMs, group: 'billing', memberId: 20, generation: 3, waitMs: 500 },
  commit,
  { op: 'leave', deadlineMs, group: 'billing', memberId: 20 },
];

const view = {
  memberId: 20,
  generation: 3,
  assignment: [
    { topic: 'orders', ordinal: 0, queue: 3, position: null, isRevoking: false },
    { topic: 'orders', ordinal: 1, queue: 4, position: 17, isRevoking: true },
  ],
};
const groupResults: readonly GroupResult[] = [
  { op: 'join', ...view },
  { op: 'heartbeat', ...view },
  { op: 'commit' },
  { op: 'leave' },
];

describe('administration and groups', () => {
  test('come back as they were sent', () => {
    for (const request of adminRequests) expect(decodeAdmin(encodeAdmin(request))).toEqual(request);
    for (const result of adminResults) expect(decodeAdminResult(encodeAdminResult(result))).toEqual(result);
    for (const request of groupRequests) expect(decodeGroup(encodeGroup(request))).toEqual(request);
    for (const result of groupResults) expect(decodeGroupResult(encodeGroupResult(result))).toEqual(result);
  });

  test('have no field that may be missing', () => {
    const every = [
      ...adminRequests.map((value) => [decodeAdmin, value] as const),
      ...adminResults.map((value) => [decodeAdminResult, value] as const),
      ...groupRequests.map((value) => [decodeGroup, value] as const),
      ...groupResults.map((value) => [decodeGroupResult, value] as const),
    ];
    for (const [decode, value] of every) {
      for (const field of Object.keys(value)) {
        const less = Object.fromEntries(Object.entries(value).filter(([name]) => name !== field));
        expect(() => decode(encodeMsgpack(less)), `${value.op} without ${field}`).toThrow(WireError);
      }
      expect(decode(encodeMsgpack({ ...value, later: [1] }))).toEqual(value);
    }
  });

  test('are bounded', () => {
    const queues = (count: number): { queue: number; offset: number }[] =>
      Array.from({ length: count }, (_, at) => ({ queue: at + 1, offset: 2 ** 45 }));
    expect(decodeGroup(encodeGroup({ ...commit, positions: queues(LIMITS.commitQueuesMax) }))).toMatchObject({
      sequence: 4,
    });
    for (const [change, expected] of [
      [{ positions: queues(LIMITS.commitQueuesMax + 1) }, /positions/],
      [{ positions: [{ queue: 0, offset: 1 }] }, /positions\.0\.queue/],
      [{ positions: [{ queue: 1, offset: -1 }] }, /positions\.0\.offset/],
      [{ release: [2 ** 32] }, /release\.0/],
      [{ sequence: 1.5 }, /sequence/],
      [{ deadlineMs: 3_600_001 }, /deadlineMs/],
    ] as const) {
      expect(() => decodeGroup(encodeMsgpack({ ...commit, ...change }))).toThrow(expected);
    }
    for (const [change, expected] of [
      [{ topics: [] }, /topics/],
      [{ topics: Array.from({ length: 1025 }, () => 'a') }, /topics/],
      [{ instance: '' }, /instance/],
      [{ instance: 'x'.repeat(256) }, /instance/],
      [{ sessionTimeoutMs: 999 }, /sessionTimeoutMs/],
      [{ op: 'usurp' }, /op/],
    ] as const) {
      expect(() => decodeGroup(encodeMsgpack({ ...join, ...change }))).toThrow(expected);
    }
  });

  test('a reset names what it needs and nothing else', () => {
    for (const to of [
      { kind: 'earliest', value: 3 },
      { kind: 'latest', value: 0 },
      { kind: 'time', value: null },
      { kind: 'offset', value: null },
      { kind: 'offset', value: -1 },
    ]) {
      const request = { op: 'resetGroup', deadlineMs, group: 'g', topic: null, to, dryRun: false };
      expect(() => decodeAdmin(encodeMsgpack(request)), JSON.stringify(to)).toThrow(/to/);
    }
  });

  test('an answer may list ten thousand queues; a request may not be so long', () => {
    const queues = Array.from({ length: 10_000 }, (_, at) => ({
      topic: `topic-${at >>> 3}`,
      queue: at & 7,
      id: at + 1,
      committed: at,
      first: 0,
      end: 2 ** 40,
      lag: 2 ** 40 - at,
    }));
    const body = encodeAdminResult({ op: 'groupLag', group: 'g', queues });
    expect(body.length).toBeLessThan(LIMITS.msgpackAnswerBytesMax);
    const decoded = decodeAdminResult(body);
    expect(decoded.op === 'groupLag' && decoded.queues.length).toBe(10_000);
    expect(() => decodeAdmin(body)).toThrow(/values/);
  });
});
