import { assert } from '../base/assert.ts';
import { crc32, crc32Between } from '../base/crc32.ts';
import { u16At, u32At } from '../base/little-endian.ts';
import { mark } from '../base/marks.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import {
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_OFFSET,
  FrameFlags,
  allowedFlags,
  isFrameKind,
  type Frame,
  type FrameKind,
} from './frame.ts';
import { LIMITS } from './limits.ts';
import { WireError } from './wire-error.ts';

export { WireError };

export interface FrameParserOptions {
  /** Largest body that is accepted, in bytes. */
  readonly bodyBytesMax: number;
  /** Wrong behaviours that a simulation must notice. Default none. */
  readonly mutations?: Mutations;
}

interface Header {
  readonly kind: FrameKind;
  readonly flags: number;
  readonly requestId: number;
  readonly bodyLength: number;
  readonly bodyChecksum: number;
}

/**
 * Cuts a stream of bytes into frames, however the bytes come in. A frame that lies whole in what arrived is handed out
 * as a view into it; one that does not is copied once, into memory that is taken only after the header has been
 * verified and the length found to be allowed.
 */
export class FrameParser {
  #bodyBytesMax: number;
  readonly #mutations: Mutations;
  /** Memory for one body after the other, where the bug museum wants it so. */
  #pool: Uint8Array = new Uint8Array(0);
  readonly #onFrame: (frame: Frame) => void;
  /** The beginning of a header that was cut off. */
  readonly #partial: Uint8Array = new Uint8Array(FRAME_HEADER_BYTES);
  #partialBytes = 0;
  /** The header whose body is being collected. */
  #header: Header | null = null;
  #body: Uint8Array = new Uint8Array(0);
  #bodyBytes = 0;
  #broken: Error | null = null;

  /** @param onFrame called for each frame from inside `push`, in order. */
  constructor(options: FrameParserOptions, onFrame: (frame: Frame) => void) {
    this.#bodyBytesMax = checkLimit(options.bodyBytesMax);
    this.#mutations = options.mutations ?? NO_MUTATIONS;
    this.#onFrame = onFrame;
  }

  /** Changes the limit from the next frame on; may be called from inside `onFrame`. */
  setLimit(bodyBytesMax: number): void {
    this.#bodyBytesMax = checkLimit(bodyBytesMax);
  }

  /** Whether a frame has begun and not ended: for a deadline on slow senders. */
  get isMidFrame(): boolean {
    return this.#partialBytes > 0 || this.#header !== null;
  }

  /**
   * @param bytes what arrived. Frames may refer into it: it is not to be changed afterwards.
   * @throws WireError, and whatever `onFrame` throws. The place in the stream is then lost: every later call throws
   * the same again.
   */
  push(bytes: Uint8Array): void {
    if (this.#broken !== null) throw this.#broken;
    try {
      let offset = 0;
      while (offset < bytes.length) offset = this.#advance(bytes, offset);
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
      this.#body = new Uint8Array(0);
      throw this.#broken;
    }
  }

  /** Takes at least one byte. @returns where to go on. */
  #advance(bytes: Uint8Array, offset: number): number {
    if (this.#header !== null) return this.#collectBody(this.#header, bytes, offset);
    if (this.#partialBytes === 0 && bytes.length - offset >= FRAME_HEADER_BYTES) {
      return this.#beginBody(this.#readHeader(bytes, offset), bytes, offset + FRAME_HEADER_BYTES);
    }
    const taken = Math.min(FRAME_HEADER_BYTES - this.#partialBytes, bytes.length - offset);
    this.#partial.set(bytes.subarray(offset, offset + taken), this.#partialBytes);
    this.#partialBytes += taken;
    // Whoever speaks another protocol is told at the second byte, not kept waiting for the rest of a header.
    if (this.#partialBytes >= 2) checkMagic(this.#partial, 0);
    if (this.#partialBytes < FRAME_HEADER_BYTES) {
      mark('wire.header-in-pieces');
      return offset + taken;
    }
    this.#partialBytes = 0;
    return this.#beginBody(this.#readHeader(this.#partial, 0), bytes, offset + taken);
  }

  #beginBody(header: Header, bytes: Uint8Array, offset: number): number {
    const end = offset + header.bodyLength;
    if (end <= bytes.length) {
      this.#deliver(header, bytes.subarray(offset, end));
      return end;
    }
    mark('wire.body-in-pieces');
    this.#header = header;
    this.#body = this.#mutations.reusesFrameBuffers
      ? this.#pooled(header.bodyLength)
      : new Uint8Array(header.bodyLength);
    this.#bodyBytes = 0;
    return this.#collectBody(header, bytes, offset);
  }

  #pooled(bytes: number): Uint8Array {
    if (this.#pool.length < bytes) this.#pool = new Uint8Array(bytes);
    return this.#pool.subarray(0, bytes);
  }

  #collectBody(header: Header, bytes: Uint8Array, offset: number): number {
    const end = Math.min(bytes.length, offset + header.bodyLength - this.#bodyBytes);
    this.#body.set(bytes.subarray(offset, end), this.#bodyBytes);
    this.#bodyBytes += end - offset;
    if (this.#bodyBytes === header.bodyLength) {
      const body = this.#body;
      this.#header = null;
      this.#body = new Uint8Array(0);
      this.#deliver(header, body);
    }
    return end;
  }

  #readHeader(bytes: Uint8Array, at: number): Header {
    checkMagic(bytes, at);
    const version = bytes[at + FRAME_OFFSET.version];
    // Before the checksum: another version may lay out the rest of the header in its own way.
    if (version !== LIMITS.protocolVersion) {
      throw new WireError(
        'UNSUPPORTED_VERSION',
        `protocol version ${version}, this side speaks ${LIMITS.protocolVersion}`,
      );
    }
    const checksum = u32At(bytes, at + FRAME_OFFSET.headerChecksum);
    const computed = crc32Between(bytes, at, at + FRAME_OFFSET.headerChecksum);
    if (checksum !== computed && !this.#mutations.ignoresFrameChecksums) {
      throw new WireError('BAD_HEADER_CHECKSUM', `header checksum ${checksum}, computed ${computed}`);
    }
    const kind = bytes[at + FRAME_OFFSET.kind] ?? 0;
    if (!isFrameKind(kind)) throw new WireError('UNKNOWN_KIND', `frame kind ${kind} is not known`);
    const flags = u16At(bytes, at + FRAME_OFFSET.flags);
    if ((flags & ~allowedFlags(kind)) !== 0 || u16At(bytes, at + FRAME_OFFSET.zero) !== 0) {
      throw new WireError('BAD_FLAGS', `flags ${flags} do not go with frame kind ${kind}`);
    }
    const bodyLength = u32At(bytes, at + FRAME_OFFSET.bodyLength);
    if (bodyLength > this.#bodyBytesMax) {
      throw new WireError(
        'FRAME_TOO_LARGE',
        `frame kind ${kind} with a body of ${bodyLength} bytes, the limit here is ${this.#bodyBytesMax}`,
      );
    }
    const bodyChecksum = u32At(bytes, at + FRAME_OFFSET.bodyChecksum);
    return { kind, flags, requestId: u32At(bytes, at + FRAME_OFFSET.requestId), bodyLength, bodyChecksum };
  }

  #deliver(header: Header, body: Uint8Array): void {
    const { kind, flags, requestId, bodyChecksum } = header;
    const computed = (flags & FrameFlags.BODY_UNCHECKED) === 0 ? crc32(body) : 0;
    if (computed !== bodyChecksum && !this.#mutations.ignoresFrameChecksums) {
      throw new WireError(
        'BAD_BODY_CHECKSUM',
        `frame kind ${kind} with body checksum ${bodyChecksum}, computed ${computed}`,
      );
    }
    this.#onFrame({ kind, flags, requestId, body });
  }
}

function checkLimit(bodyBytesMax: number): number {
  assert(
    Number.isInteger(bodyBytesMax) && bodyBytesMax >= 0 && bodyBytesMax <= LIMITS.peerFrameBytesMax,
    () => `frame limit ${bodyBytesMax} is not in 0..${LIMITS.peerFrameBytesMax}`,
  );
  return bodyBytesMax;
}

function checkMagic(bytes: Uint8Array, at: number): void {
  const magic = u16At(bytes, at + FRAME_OFFSET.magic);
  if (magic !== FRAME_MAGIC) {
    throw new WireError('BAD_MAGIC', `0x${magic.toString(16).padStart(4, '0')} is not how a frame begins`);
  }
}
