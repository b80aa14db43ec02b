import type { ErrorCode, ErrorInfo, Outcome } from '../wire/errors.ts';

/**
 * Base of everything this library rejects with. `outcome` says what became of the request: `none` (nothing happened),
 * `unknown` (it may have been stored, or may yet be), `applied`.
 */
export class DledgerError extends Error {
  override readonly name: string = 'DledgerError';
  /** Stable: for programs. */
  readonly code: ClientErrorCode;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  readonly outcome: Outcome;

  constructor(
    code: ClientErrorCode,
    message: string,
    facts: { readonly retryable: boolean; readonly outcome: Outcome },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.retryable = facts.retryable;
    this.outcome = facts.outcome;
  }
}

/** Codes of nodes, and those that arise on this side. */
export type ClientErrorCode =
  | ErrorCode
  | 'UNREACHABLE'
  | 'OUTCOME_UNKNOWN'
  | 'CLOSED'
  | 'ABORTED'
  | 'BAD_ARGUMENT';

/** A node refused the request for good; `code` says why. */
export class RefusedError extends DledgerError {
  override readonly name = 'RefusedError';
  readonly firstIndex: number | null;
  readonly lastIndex: number | null;

  constructor(info: ErrorInfo) {
    super(info.code, info.message, info);
    this.firstIndex = info.firstIndex;
    this.lastIndex = info.lastIndex;
  }
}

/** The time for a request passed before it was sent to anybody: nothing happened. */
export class TimeoutError extends DledgerError {
  override readonly name = 'TimeoutError';

  constructor(message: string) {
    super('TIMEOUT', message, { retryable: true, outcome: 'none' });
  }
}

/** The time passed after the request was sent: it may have been stored, or may yet be. Never treat it as failed. */
export class TimeoutUnknownError extends DledgerError {
  override readonly name = 'TimeoutUnknownError';

  constructor(message: string) {
    super('TIMEOUT_UNKNOWN', message, { retryable: false, outcome: 'unknown' });
  }
}

/** An earlier append of the same producer ended unknown or was refused as forgotten, and took this one with it. */
export class OutcomeUnknownError extends DledgerError {
  override readonly name = 'OutcomeUnknownError';

  constructor(message: string) {
    super('OUTCOME_UNKNOWN', message, { retryable: false, outcome: 'unknown' });
  }
}

/** No node could be reached; the message names each address and why not. */
export class UnreachableError extends DledgerError {
  override readonly name = 'UnreachableError';

  constructor(message: string) {
    super('UNREACHABLE', message, { retryable: true, outcome: 'none' });
  }
}

/** The client was closed. */
export class ClosedError extends DledgerError {
  override readonly name = 'ClosedError';

  constructor(outcome: Outcome = 'none') {
    super('CLOSED', 'the client is closed', { retryable: false, outcome });
  }
}

/** The caller's signal ended the wait. */
export class AbortedError extends DledgerError {
  override readonly name = 'AbortedError';

  constructor(outcome: Outcome) {
    super('ABORTED', 'aborted by the caller', { retryable: false, outcome });
  }
}

/** The queue of appends is full: send fewer, or wait for earlier ones. */
export class OverloadedError extends DledgerError {
  override readonly name = 'OverloadedError';

  constructor(message: string) {
    super('OVERLOADED', message, { retryable: true, outcome: 'none' });
  }
}

/** A call that cannot be right. */
export class ArgumentError extends DledgerError {
  override readonly name = 'ArgumentError';

  constructor(message: string) {
    super('BAD_ARGUMENT', message, { retryable: false, outcome: 'none' });
  }
}
