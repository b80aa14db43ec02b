import { expect, test } from 'vitest';
import { readFailure } from '../../src/node/failures.ts';
import { WalReadError } from '../../src/wal/index.ts';

test('who reads from a node that is about to end is sent to another one, and nothing else is taken for that', () => {
  const closed = readFailure('queue 1 at offset 19', new WalReadError('WAL_CLOSED', 'the log is closed'));
  expect(closed).toMatchObject({ code: 'SHUTTING_DOWN' });
  const other = readFailure('queue 1 at offset 19', new WalReadError('WAL_RANGE', 'index 3 is not in 5..9'));
  expect(other).toMatchObject({
    code: 'INTERNAL',
    message: 'cannot read queue 1 at offset 19: index 3 is not in 5..9',
  });
});
