import { batchStamp } from '../../base/batch.ts';
import { decodeFetch, decodeProduce, encodeFetch, encodeProduce } from '../../wire/broker-codec.ts';
import {
  decodeAdmin,
  decodeGroup,
  encodeAdmin,
  encodeGroup,
  groupRequestLater,
  type AdminRequest,
  type GroupRequest,
} from '../../wire/broker-schema.ts';
import {
  decodeAppend,
  decodeOpenProducer,
  decodeRead,
  decodeTransferLeadership,
  encodeAppend,
  encodeOpenProducer,
  encodeRead,
  encodeTransferLeadership,
} from '../../wire/client-codec.ts';
import { FRAME_HEADER_BYTES, FrameKind, encodeFrame, type Frame } from '../../wire/frame.ts';

/** A request that only the leader answers, as far as a node needs to understand it that passes it on. */
export interface Forwardable {
  /** Milliseconds that were left when it was sent. */
  readonly deadlineMs: number;
  /** It may be sent again when its answer is lost: a read, or something that the replicated state recognises. */
  readonly isRepeatable: boolean;
  /** @returns the chunks of the same request under another id, with so many milliseconds left. */
  encode(requestId: number, deadlineMs: number): Uint8Array[];
}

const ADMIN_READS: ReadonlySet<AdminRequest['op']> = new Set<AdminRequest['op']>([
  'listTopics',
  'describeTopic',
  'findByKey',
  'findByTime',
  'listGroups',
  'describeGroup',
  'groupLag',
]);

/** @returns null for what any node answers. @throws WireError where the request makes no sense. */
export function asForwardable(frame: Frame): Forwardable | null {
  const { kind, body } = frame;
  switch (kind) {
    case FrameKind.APPEND: {
      const request = decodeAppend(frame);
      return {
        deadlineMs: request.deadlineMs,
        isRepeatable: hasProducer(request.batch),
        encode: (id, deadlineMs) => encodeAppend(id, { ...request, deadlineMs }),
      };
    }
    case FrameKind.PRODUCE: {
      const request = decodeProduce(frame);
      return {
        deadlineMs: request.deadlineMs,
        isRepeatable: hasProducer(request.batch),
        encode: (id, deadlineMs) => encodeProduce(id, { ...request, deadlineMs }),
      };
    }
    case FrameKind.OPEN_PRODUCER:
      return plain(kind, decodeOpenProducer(body), encodeOpenProducer, false);
    case FrameKind.TRANSFER_LEADERSHIP:
      return plain(kind, decodeTransferLeadership(body), encodeTransferLeadership, false);
    case FrameKind.READ: {
      const request = decodeRead(body);
      return request.consistency === 'committed' ? null : plain(kind, request, encodeRead, true);
    }
    case FrameKind.FETCH: {
      const request = decodeFetch(body);
      return request.consistency === 'committed' ? null : plain(kind, request, encodeFetch, true);
    }
    case FrameKind.ADMIN: {
      const request = decodeAdmin(body);
      return plain(kind, request, encodeAdmin, ADMIN_READS.has(request.op));
    }
    case FrameKind.GROUP: {
      // Joins have an instance, commits a sequence, and the rest changes nothing the second time.
      const request = decodeGroup(body);
      const encode = ({ deadlineMs }: GroupRequest): Uint8Array =>
        encodeGroup(groupRequestLater(request, deadlineMs));
      return plain(kind, request, encode, true);
    }
    default:
      return null;
  }
}

/** A frame as if it had just come, from the chunks that it would be sent in. */
export function frameOf(frame: Frame, chunks: readonly Uint8Array[]): Frame {
  const whole = Buffer.concat(chunks);
  return { ...frame, body: whole.subarray(FRAME_HEADER_BYTES) };
}

function plain<T extends { readonly deadlineMs: number }>(
  kind: FrameKind,
  request: T,
  encode: (request: T) => Uint8Array,
  isRepeatable: boolean,
): Forwardable {
  return {
    deadlineMs: request.deadlineMs,
    isRepeatable,
    encode: (id, deadlineMs) => encodeFrame(kind, id, [encode({ ...request, deadlineMs })]),
  };
}

function hasProducer(batch: Uint8Array): boolean {
  try {
    return batchStamp(batch).producerId !== 0;
  } catch {
    // Not a batch: the leader says so.
    return false;
  }
}
