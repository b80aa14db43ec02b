import { describe, expect, test } from 'vitest';
import { asCliError, CliError, usageError } from '../../src/cli/cli-error.ts';
import { ExitCode } from '../../src/cli/exit-code.ts';
import {
  AbortedError,
  ArgumentError,
  ClosedError,
  DledgerError,
  OutcomeUnknownError,
  OverloadedError,
  RefusedError,
  TimeoutError,
  TimeoutUnknownError,
  UnreachableError,
} from '../../src/client/index.ts';
import { NodeError, type NodeErrorCode } from '../../src/node/errors.ts';
import { ERROR_CODES, errorInfo, type ErrorCode } from '../../src/wire/errors.ts';

function exitCodeOf(error: Error): number | undefined {
  return asCliError(error)?.exitCode;
}

describe('the exit status', () => {
  test('has the numbers that scripts know', () => {
    expect(ExitCode).toEqual({
      ok: 0,
      internal: 1,
      usage: 2,
      unreachable: 3,
      partial: 4,
      notNow: 5,
      unknown: 6,
      refused: 7,
      notFound: 8,
      unhealthy: 10,
      drillFailed: 20,
      drillUnclear: 21,
      unhealed: 22,
      interrupted: 130,
    });
  });

  test.each([
    ['no node reached', new UnreachableError('nobody'), 3],
    ['time passed, nothing sent', new TimeoutError('late'), 5],
    ['time passed, sent', new TimeoutUnknownError('late'), 6],
    ['an earlier append is unknown', new OutcomeUnknownError('lost'), 6],
    ['the queue is full', new OverloadedError('full'), 5],
    ['a call that cannot be right', new ArgumentError('wrong'), 2],
    ['aborted before anything was sent', new AbortedError('none'), 5],
    ['aborted after it was sent', new AbortedError('unknown'), 6],
    ['closed after it was sent', new ClosedError('unknown'), 6],
  ])('of a client: %s', (_name, error, exitCode) => {
    expect(exitCodeOf(error)).toBe(exitCode);
  });

  test('of what a node refuses: by its code', () => {
    const byCode = Object.fromEntries(
      (Object.keys(ERROR_CODES) as ErrorCode[]).map((code) => {
        return [code, exitCodeOf(new RefusedError(errorInfo(code, 'no')))];
      }),
    );
    expect(byCode).toEqual({
      NOT_LEADER: 5,
      NO_LEADER: 5,
      DAMAGED: 5,
      LEADERSHIP_LOST: 6,
      TIMEOUT_UNKNOWN: 6,
      TIMEOUT: 5,
      OVERLOADED: 5,
      DISK_FULL: 5,
      SHUTTING_DOWN: 5,
      RECORD_TOO_LARGE: 2,
      BATCH_FORMAT: 2,
      BAD_CHECKSUM: 5,
      OUT_OF_ORDER: 6,
      SESSION_EXPIRED: 6,
      STALE_EPOCH: 5,
      UNKNOWN_TOPIC: 8,
      TOPIC_EXISTS: 8,
      UNKNOWN_GROUP: 8,
      OFFSET_OUT_OF_RANGE: 8,
      OFFSET_EXPIRED: 8,
      BAD_NAME: 2,
      LIMIT_EXCEEDED: 2,
      MESSAGE_FORMAT: 2,
      GROUP_NOT_EMPTY: 5,
      STALE_MEMBER: 5,
      OUT_OF_RANGE: 8,
      WRONG_CLUSTER: 3,
      CLUSTER_REPLACED: 3,
      WRONG_NODE: 5,
      DUPLICATE_NODE: 5,
      IDENTITY_MISMATCH: 5,
      UNSUPPORTED_VERSION: 3,
      UNAUTHORIZED: 3,
      TRANSFER_REFUSED: 5,
      FAULT_REFUSED: 5,
      BAD_REQUEST: 2,
      // What a broken node did with the request, it does not say.
      INTERNAL: 6,
    });
  });

  test.each<[NodeErrorCode, number]>([
    ['BAD_OPTIONS', 2],
    ['PORT_IN_USE', 2],
    ['DATA_LOCKED', 2],
    ['DATA_OF_ANOTHER_NODE', 2],
    ['DATA_OF_ANOTHER_CLUSTER', 2],
    ['DATA_VERSION', 2],
    ['DUPLICATE_NODE', 2],
    ['LOG_ROT', 7],
    ['DISK_FULL', 5],
    ['DISK_FAILED', 1],
    ['INVARIANT', 1],
  ])('of a node that cannot go on: %s is %i, and what to do is passed on', (code, exitCode) => {
    const shown = asCliError(new NodeError(code, 'it cannot', 'do this'));
    expect(shown).toMatchObject({ code, exitCode, message: 'it cannot', next: 'do this', outcome: 'none' });
  });
});

describe('an error for people', () => {
  test('stays what it is', () => {
    const error = usageError('no', 'yes');
    expect(asCliError(error)).toBe(error);
    expect(error).toMatchObject({
      code: 'USAGE',
      exitCode: 2,
      next: 'yes',
      retryable: false,
      outcome: 'none',
    });
  });

  test('keeps its cause, and says whether the same call may succeed later', () => {
    const cause = new DledgerError('OVERLOADED', 'full', { retryable: true, outcome: 'none', hint: null });
    expect(asCliError(cause)).toMatchObject({ code: 'OVERLOADED', message: 'full', retryable: true, cause });
  });

  test('is not made of what nobody foresaw: that is a bug', () => {
    expect(asCliError(new TypeError('undefined is not a function'))).toBeNull();
    expect(asCliError('text')).toBeNull();
    expect(new CliError('X', ExitCode.internal, 'x').next).toBeNull();
  });
});
