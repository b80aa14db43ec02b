export type SinkErrorCode =
  | 'BAD_URL'
  | 'REDIS_UNREACHABLE'
  | 'REDIS_AUTH'
  | 'REDIS_READONLY'
  | 'REDIS_CLUSTER'
  | 'REDIS_REFUSED'
  | 'KEY_IN_USE'
  | 'STRAY_STREAM'
  | 'STREAM_CONFLICT'
  | 'WRONG_SOURCE'
  | 'FENCED';

/** What ends a sink: nothing that waiting mends. The stream and its checkpoint agree, whichever it is. */
export class SinkError extends Error {
  override readonly name = 'SinkError';
  /** Stable: for programs. */
  readonly code: SinkErrorCode;
  /** What to do about it, for people. */
  readonly hint: string;

  constructor(code: SinkErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

/** Replies of a Redis that may think better of it: full, starting, or about to be promoted after a failover. */
const PASSING = new Set([
  'READONLY',
  'LOADING',
  'MASTERDOWN',
  'OOM',
  'BUSY',
  'TRYAGAIN',
  'MISCONF',
  'NOREPLICAS',
]);

/** Whether the same command may succeed later without anybody doing anything to the sink. */
export function isPassing(error: unknown): boolean {
  return PASSING.has(codeOf(error));
}

/** Puts what Redis replied into an error that says what to do. */
export function sinkError(error: unknown, key: string): SinkError {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  switch (code) {
    case 'NOAUTH':
    case 'WRONGPASS':
    case 'NOPERM':
      return new SinkError(
        'REDIS_AUTH',
        `Redis refuses this user: ${message}`,
        'give the password with --password-file, and a user in the URL: redis://USER@HOST:PORT',
        error,
      );
    case 'READONLY':
      return new SinkError(
        'REDIS_READONLY',
        'this Redis is a replica: it takes no writes',
        'give the URL of the primary',
        error,
      );
    case 'MOVED':
    case 'ASK':
    case 'CLUSTERDOWN':
      return new SinkError(
        'REDIS_CLUSTER',
        `this Redis is part of a Redis Cluster: ${message}`,
        'the sink writes to one primary: give the URL of a Redis that is not sharded',
        error,
      );
    case 'WRONGTYPE':
      return new SinkError(
        'KEY_IN_USE',
        `the key ${key} or its checkpoint holds something else than the sink would write`,
        'choose another --prefix, or delete the key if nobody needs it',
        error,
      );
    default:
      if (message.includes('equal or smaller than the target stream top item')) {
        return new SinkError(
          'STREAM_CONFLICT',
          `somebody else wrote to the stream ${key}: it goes further than its checkpoint`,
          'leave the stream to the sink; to fill it anew, delete it together with its checkpoint',
          error,
        );
      }
      return new SinkError('REDIS_REFUSED', `Redis refuses: ${message}`, 'look at the log of Redis', error);
  }
}

/** The first word of an error reply. */
function codeOf(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  // An error inside of a script may come with a prefix of the server's before its own code.
  return (
    /\b(NOAUTH|WRONGPASS|NOPERM|WRONGTYPE|MOVED|ASK|CLUSTERDOWN)\b/.exec(message)?.[1] ??
    message.replace(/^-/, '').split(' ', 1)[0] ??
    ''
  );
}
