import { DledgerError } from '../client/index.ts';
import { NodeError } from '../node/index.ts';
import { SinkError } from '../sink/errors.ts';
import { ExitCode } from './exit-code.ts';

/** An error for the person at the command line: what was wrong, and what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly exitCode: ExitCode;
  /** Who was asked, and what each said. */
  readonly tried: readonly string[];
  readonly next: string | null;
  readonly retryable: boolean;
  readonly outcome: 'none' | 'unknown' | 'applied';

  constructor(
    code: string,
    exitCode: ExitCode,
    message: string,
    facts: {
      tried?: readonly string[];
      next?: string;
      retryable?: boolean;
      outcome?: 'none' | 'unknown' | 'applied';
      cause?: unknown;
    } = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.exitCode = exitCode;
    this.tried = facts.tried ?? [];
    this.next = facts.next ?? null;
    this.retryable = facts.retryable ?? false;
    this.outcome = facts.outcome ?? 'none';
  }
}

export function usageError(message: string, next?: string): CliError {
  return new CliError('USAGE', ExitCode.usage, message, next === undefined ? {} : { next });
}

/** Puts whatever was thrown into the form that is shown. Null for what nobody foresaw: that is a bug. */
export function asCliError(error: unknown): CliError | null {
  if (error instanceof CliError) return error;
  if (error instanceof NodeError) {
    return new CliError(error.code, NODE_EXIT_CODES[error.code] ?? ExitCode.usage, error.message, {
      next: error.next,
      cause: error,
    });
  }
  if (error instanceof DledgerError) {
    const { retryable, outcome, hint } = error;
    return new CliError(error.code, clientExitCode(error), error.message, {
      retryable,
      outcome,
      ...(hint === null ? {} : { next: hint }),
      cause: error,
    });
  }
  if (error instanceof SinkError) {
    return new CliError(error.code, SINK_EXIT_CODES[error.code], error.message, {
      next: error.hint,
      retryable: error.code === 'REDIS_UNREACHABLE',
      cause: error,
    });
  }
  return null;
}

/** Not listed: what the operator gave cannot be used (2). */
const NODE_EXIT_CODES: Partial<Record<NodeError['code'], ExitCode>> = {
  LOG_ROT: ExitCode.refused,
  CLUSTER_REPLACED: ExitCode.refused,
  DISK_FAILED: ExitCode.internal,
  DISK_FULL: ExitCode.notNow,
  UNKNOWN_ENTRY: ExitCode.internal,
  INVARIANT: ExitCode.internal,
};

const SINK_EXIT_CODES: Record<SinkError['code'], ExitCode> = {
  BAD_URL: ExitCode.usage,
  REDIS_UNREACHABLE: ExitCode.unreachable,
  REDIS_AUTH: ExitCode.unreachable,
  REDIS_READONLY: ExitCode.notNow,
  REDIS_CLUSTER: ExitCode.usage,
  REDIS_REFUSED: ExitCode.notNow,
  KEY_IN_USE: ExitCode.refused,
  STRAY_STREAM: ExitCode.refused,
  STREAM_CONFLICT: ExitCode.refused,
  WRONG_SOURCE: ExitCode.refused,
  FENCED: ExitCode.refused,
};

function clientExitCode(error: DledgerError): ExitCode {
  if (error.outcome === 'unknown') return ExitCode.unknown;
  switch (error.code) {
    case 'UNREACHABLE':
      return ExitCode.unreachable;
    case 'WRONG_CLUSTER':
    case 'CLUSTER_REPLACED':
    case 'UNAUTHORIZED':
    case 'UNSUPPORTED_VERSION':
      return ExitCode.unreachable;
    case 'BAD_ARGUMENT':
    case 'RECORD_TOO_LARGE':
    case 'BATCH_FORMAT':
    case 'BAD_REQUEST':
      return ExitCode.usage;
    case 'BAD_NAME':
    case 'LIMIT_EXCEEDED':
    case 'MESSAGE_FORMAT':
      return ExitCode.usage;
    case 'OUT_OF_RANGE':
    case 'OFFSET_OUT_OF_RANGE':
    case 'OFFSET_EXPIRED':
    case 'UNKNOWN_TOPIC':
    case 'TOPIC_EXISTS':
    case 'UNKNOWN_GROUP':
      return ExitCode.notFound;
    case 'INTERNAL':
      return ExitCode.internal;
    default:
      return ExitCode.notNow;
  }
}
