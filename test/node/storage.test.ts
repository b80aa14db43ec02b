import { expect, test } from 'vitest';
import { DiskError, type Disk } from '../../src/base/ports/disk.ts';
import { Prng } from '../../src/base/prng.ts';
import { NODE_DEFAULTS, NodeError, startNode } from '../../src/node/index.ts';
import { CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { SimulatedNetwork } from '../../src/sim/simulated-network.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

const clock = new VirtualClock();
const network = new SimulatedNetwork(clock, new Prng(1));

function codeOf(disk: Disk, id = 'n1'): string {
  try {
    startNode(
      {
        ...NODE_DEFAULTS,
        id,
        peers: [{ id, address: `${id}:7100` }],
        dataDirectory: '/data',
        segmentBytes: 64 * 1024,
      },
      { disk, clock, network: network.host(id), prng: new Prng(2) },
      { onEvent: () => undefined, onReady: () => undefined, onFatal: () => undefined },
    );
    return 'started';
  } catch (error) {
    if (error instanceof NodeError) return error.code;
    throw error;
  }
}

function refusing(operation: 'mkdir' | 'lock' | 'open', code: string): Disk {
  const disk = new CrashableDisk({ prng: new Prng(3), clock });
  const fail = (path: string): never => {
    throw new DiskError(operation, path, code, 'refused');
  };
  if (operation === 'mkdir') disk.mkdirSync = fail;
  if (operation === 'lock') disk.lockDirectorySync = fail;
  if (operation === 'open') disk.openSync = fail;
  return disk;
}

test('a directory that another process holds', () => {
  const disk = new CrashableDisk({ prng: new Prng(3), clock });
  expect(codeOf(disk)).toBe('started');
  expect(codeOf(disk)).toBe('DATA_LOCKED');
});

test('a directory of another node', () => {
  const disk = new CrashableDisk({ prng: new Prng(3), clock });
  expect(codeOf(disk)).toBe('started');
  disk.kill();
  expect(codeOf(disk, 'n2')).toBe('DATA_OF_ANOTHER_NODE');
});

test('a directory that cannot be made or locked is at fault itself, not the disk', () => {
  expect(codeOf(refusing('mkdir', 'ENOTDIR'))).toBe('DATA_UNUSABLE');
  expect(codeOf(refusing('lock', 'EACCES'))).toBe('DATA_UNUSABLE');
  expect(codeOf(refusing('open', 'EIO'))).toBe('DISK_FAILED');
  expect(codeOf(refusing('open', 'ENOSPC'))).toBe('DISK_FULL');
});
