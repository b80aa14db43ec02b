export type NodeErrorCode =
  | 'BAD_OPTIONS'
  | 'PORT_IN_USE'
  | 'LISTEN_FAILED'
  | 'DATA_LOCKED'
  | 'DATA_UNUSABLE'
  | 'DATA_OF_ANOTHER_NODE'
  | 'DATA_OF_ANOTHER_CLUSTER'
  | 'CLUSTER_REPLACED'
  | 'DATA_VERSION'
  | 'DATA_NOT_OURS'
  | 'LOG_ROT'
  | 'DISK_FAILED'
  | 'DISK_FULL'
  | 'DUPLICATE_NODE'
  | 'UNKNOWN_ENTRY'
  | 'INVARIANT';

/** Why a node cannot start or go on, for the person who runs it. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: NodeErrorCode;
  /** What that person can do about it. */
  readonly next: string;

  constructor(code: NodeErrorCode, message: string, next: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.next = next;
  }
}
