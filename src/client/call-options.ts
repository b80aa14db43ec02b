export interface CallOptions {
  /** Default: the client's requestTimeoutMs. */
  readonly timeoutMs?: number;
  /** Ends the wait: the call is rejected with AbortedError, whose outcome says what may have become of it. */
  readonly signal?: AbortSignal;
}
