import { expect, test } from 'vitest';
import { proveFailover } from '../../scripts/prove-failover.ts';

test('a file of 100,000 lines goes in while the leader is killed, and comes out the same', async () => {
  const proof = await proveFailover({ lines: 100_000 });
  expect(proof).toMatchObject({ lines: 100_000, identical: true });
  expect(proof.leaderAfter).not.toBe(proof.killed);
  expect(proof.killedAtIndex).toBeLessThan(100_000);
});
