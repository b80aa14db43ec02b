import { errorInfo, type ErrorCode, type ErrorInfo, type Outcome } from '../wire/errors.ts';

/** Codes of nodes, and those that arise on this side. */
export type ClientErrorCode =
  | ErrorCode
  | 'UNREACHABLE'
  | 'OUTCOME_UNKNOWN'
  | 'CLOSED'
  | 'ABORTED'
  | 'BAD_ARGUMENT';

export interface ErrorFacts {
  readonly retryable: boolean;
  readonly outcome: Outcome;
  readonly hint: string | null;
}

/**
 * Base of everything this library rejects with. `outcome` says what became of the request: `none` (nothing happened
 * and nothing will), `unknown` (it may have been stored, or may yet be), `applied`.
 */
export class DledgerError extends Error {
  override readonly name: string = 'DledgerError';
  /** Stable: for programs. */
  readonly code: ClientErrorCode;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  readonly outcome: Outcome;
  /** What to do about it, for people; null where the message says it all. */
  readonly hint: string | null;

  constructor(code: ClientErrorCode, message: string, facts: ErrorFacts) {
    super(message);
    this.code = code;
    this.retryable = facts.retryable;
    this.outcome = facts.outcome;
    this.hint = facts.hint;
  }
}

const UNKNOWN_HINT =
  'read the log to find out whether it is there; appending it again may store it a second time';

/** A node refused the request for good; `code` says why. */
export class RefusedError extends DledgerError {
  override readonly name = 'RefusedError';
  /** OUT_OF_RANGE: what the log holds. */
  readonly firstIndex: number | null;
  readonly lastIndex: number | null;

  constructor(info: ErrorInfo) {
    super(info.code, info.message, { ...info, hint: refusalHint(info.code) });
    this.firstIndex = info.firstIndex;
    this.lastIndex = info.lastIndex;
  }
}

/** A node knows a queue by its number, which says nothing to people. */
export function topicGone(topic: string): RefusedError {
  return new RefusedError(errorInfo('UNKNOWN_TOPIC', `there is no topic ${JSON.stringify(topic)} any more`));
}

/** The time for a request passed before anything could come of it: nothing happened. */
export class TimeoutError extends DledgerError {
  override readonly name = 'TimeoutError';

  constructor(message: string) {
    super('TIMEOUT', message, {
      retryable: true,
      outcome: 'none',
      hint: 'try again, or allow more time',
    });
  }
}

/** The time passed after the request was sent: it may have been stored, or may yet be. Never treat it as failed. */
export class TimeoutUnknownError extends DledgerError {
  override readonly name = 'TimeoutUnknownError';

  constructor(message: string) {
    super('TIMEOUT_UNKNOWN', message, { retryable: false, outcome: 'unknown', hint: UNKNOWN_HINT });
  }
}

/** An earlier append of the same producer ended unknown or was refused as forgotten, and took this one with it. */
export class OutcomeUnknownError extends DledgerError {
  override readonly name = 'OutcomeUnknownError';

  constructor(message: string) {
    super('OUTCOME_UNKNOWN', message, { retryable: false, outcome: 'unknown', hint: UNKNOWN_HINT });
  }
}

/** No node could be reached, or none that leads; the message names each address and why not. */
export class UnreachableError extends DledgerError {
  override readonly name = 'UnreachableError';

  constructor(message: string) {
    super('UNREACHABLE', message, {
      retryable: true,
      outcome: 'none',
      hint: 'check that the addresses are right and that a majority of the nodes runs',
    });
  }
}

/** The client was closed. */
export class ClosedError extends DledgerError {
  override readonly name = 'ClosedError';

  constructor(outcome: Outcome) {
    super('CLOSED', 'the client is closed', {
      retryable: false,
      outcome,
      hint: outcome === 'unknown' ? UNKNOWN_HINT : null,
    });
  }
}

/** The caller's signal ended the wait. */
export class AbortedError extends DledgerError {
  override readonly name = 'AbortedError';

  constructor(outcome: Outcome) {
    super('ABORTED', 'aborted by the caller', {
      retryable: false,
      outcome,
      hint: outcome === 'unknown' ? UNKNOWN_HINT : null,
    });
  }
}

/** The queue of appends is full. */
export class OverloadedError extends DledgerError {
  override readonly name = 'OverloadedError';

  constructor(message: string) {
    super('OVERLOADED', message, {
      retryable: true,
      outcome: 'none',
      hint: 'wait for earlier appends before sending more',
    });
  }
}

/** A call that cannot be right. */
export class ArgumentError extends DledgerError {
  override readonly name = 'ArgumentError';

  constructor(message: string) {
    super('BAD_ARGUMENT', message, { retryable: false, outcome: 'none', hint: null });
  }
}

function refusalHint(code: ErrorCode): string | null {
  switch (code) {
    case 'RECORD_TOO_LARGE':
      return 'keep large payloads elsewhere and append their names';
    case 'OUT_OF_RANGE':
      return 'read from the first index that the log still holds';
    case 'OFFSET_EXPIRED':
      return 'begin at the earliest that is kept; a group goes on there after it was reset to earliest';
    case 'WRONG_CLUSTER':
      return 'these nodes belong to another cluster: check the endpoints and the cluster id';
    case 'UNSUPPORTED_VERSION':
      return 'use a version of this library that goes with the nodes';
    case 'INTERNAL':
      return "the node's own log says more";
    default:
      return null;
  }
}
