export type WireErrorCode =
  /** The first bytes are not ours: somebody speaks another protocol on this port. */
  | 'BAD_MAGIC'
  | 'UNSUPPORTED_VERSION'
  | 'BAD_HEADER_CHECKSUM'
  | 'UNKNOWN_KIND'
  /** A flag that does not exist or does not go with this kind, or a reserved field that is not zero. */
  | 'BAD_FLAGS'
  /** The length in the header is over the limit that holds for this connection now. */
  | 'FRAME_TOO_LARGE'
  | 'BAD_BODY_CHECKSUM'
  /** The body does not follow the grammar of its kind, or a value in it is out of bounds. */
  | 'BAD_BODY'
  /** A MessagePack body that is too large, too deep or holds what is not allowed in it. */
  | 'BAD_MSGPACK';

/** Bytes that break the protocol. The connection they came on cannot be used any more; nothing else is harmed. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
