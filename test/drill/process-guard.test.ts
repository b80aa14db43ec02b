import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { ProcessGuard } from '../../src/drill/process-guard.ts';

describe('the guard of processes', () => {
  test('kills those that are left when its owner is gone, stopped ones too, and spares those it was told to forget', async () => {
    const guard = new ProcessGuard();
    const [left, spared] = [sleeper(), sleeper()];
    for (const { pid } of [left, spared]) guard.watch(pid ?? 0);
    guard.forget(spared.pid ?? 0);
    left.kill('SIGSTOP');
    guard.close();
    expect(await once(left, 'exit')).toEqual([null, 'SIGKILL']);
    expect(spared.exitCode ?? spared.signalCode).toBeNull();
    spared.kill('SIGKILL');
    await once(spared, 'exit');
  });
});

function sleeper(): ReturnType<typeof spawn> {
  return spawn('sleep', ['60'], { stdio: 'ignore' });
}
