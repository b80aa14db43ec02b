import { describe, expect, test } from 'vitest';
import { cutPower } from '../../scripts/campaigns/power-cuts.ts';
import { CLEAN } from './support/load.ts';
import { noLoopMounts } from './support/loop-image.ts';

describe.runIf(noLoopMounts === null)('a power cut on a real file system', () => {
  test('of one node, of the leader, of all at once, costs nothing that was acknowledged', async () => {
    const { cuts, acknowledged, verdict } = await cutPower({ rounds: 3, seed: 5 });
    expect(cuts).toEqual({ 'a follower': 1, 'the leader': 1, 'all at once': 1 });
    expect(acknowledged).toBeGreaterThan(300);
    expect(verdict).toEqual(CLEAN);
  });
});
