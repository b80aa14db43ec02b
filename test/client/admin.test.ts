import { describe, expect, test } from 'vitest';
import { RefusedError, TimeoutUnknownError } from '../../src/client/index.ts';
import { decodeAdmin, encodeAdminResult, type AdminResult } from '../../src/wire/broker-schema.ts';
import { FrameKind } from '../../src/wire/frame.ts';
import type { ScriptedRequest } from './support/scripted-node.ts';
import { World } from './support/world.ts';

const TOPIC = {
  name: 'orders',
  topicId: 12,
  createdAtMs: 1_795_414_452_821,
  retentionMs: null,
  retentionBytes: null,
  queues: [{ id: 1, ordinal: 0, firstOffset: 0, endOffset: 7 }],
};

function answer(request: ScriptedRequest, result: AdminResult): void {
  request.session.write(FrameKind.ADMIN_RESULT, request.id, [encodeAdminResult(result)]);
}

describe('the administration of topics and groups', () => {
  test('asks whoever leads, with what is left of the time', async () => {
    const world = new World();
    const leader = world.node('n1');
    world.node('n2').follow(leader);
    leader.onRequest = (request) => answer(request, { op: 'createTopic', topic: TOPIC });
    const client = await world.client(['n2']);
    const made = await world.settle(client.admin.createTopic({ name: 'orders' }, { timeoutMs: 700 }));
    expect(made).toEqual(TOPIC);
    const asked = decodeAdmin(leader.requests[0]?.frame.body ?? new Uint8Array());
    expect(asked).toMatchObject({
      op: 'createTopic',
      name: 'orders',
      queues: 1,
      retentionMs: null,
      retentionBytes: null,
    });
    expect(asked.deadlineMs).toBeGreaterThan(600);
    expect(asked.deadlineMs).toBeLessThanOrEqual(700);
    await world.settle(client.close());
  });

  test('hands on why a node refuses', async () => {
    const world = new World();
    world.node('n1').onRequest = (request) => request.failed('UNKNOWN_TOPIC');
    const client = await world.client(['n1']);
    const error = await world.rejection(client.admin.describeTopic('orders'));
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject({ code: 'UNKNOWN_TOPIC', retryable: false, outcome: 'none' });
    await world.settle(client.close());
  });

  test('asks again after a lost connection what changes nothing, and leaves the rest unknown', async () => {
    const world = new World();
    const node = world.node('n1');
    const cut = (request: ScriptedRequest): void => {
      if (node.requests.length === 1) request.session.connection.destroy();
      else answer(request, { op: 'groupLag', group: 'billing', queues: [] });
    };
    node.onRequest = cut;
    const client = await world.client(['n1']);
    expect(await world.settle(client.admin.groupLag('billing'))).toEqual([]);
    expect(node.requests.length).toBe(2);
    node.requests.length = 0;
    const error = await world.rejection(client.admin.deleteGroup('billing'));
    expect(error).toMatchObject({ outcome: 'unknown' });
    expect(error).toBeInstanceOf(TimeoutUnknownError);
    expect(node.requests.length).toBe(1);
    await world.settle(client.close());
  });
});
