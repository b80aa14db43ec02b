/**
 * Orders to the state machine: bodies of `command` entries, version 1. Little endian.
 *
 *     offset size field
 *      0      1   type         1 = open a producer session
 *      1      3   zero
 *      4      4   inFlightMax  batches that the producer may have unanswered at once
 */
export interface OpenProducer {
  readonly type: 'open-producer';
  readonly inFlightMax: number;
}

export type Command = OpenProducer;

export const COMMAND_VERSION = 1;
/** A session remembers this many results at most, so that a retry of any batch in flight gets its first answer. */
export const IN_FLIGHT_MAX = 8192;

const COMMAND_BYTES = 8;
const OPEN_PRODUCER = 1;

/** @param request.inFlightMax brought into 1..8192. */
export function encodeOpenProducer(request: { readonly inFlightMax: number }): Uint8Array {
  const bytes = new Uint8Array(COMMAND_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, OPEN_PRODUCER);
  view.setUint32(4, Math.min(IN_FLIGHT_MAX, Math.max(1, Math.floor(request.inFlightMax))), true);
  return bytes;
}

/** @returns null where the bytes are no command that this version knows. */
export function decodeCommand(body: Uint8Array): Command | null {
  if (body.length !== COMMAND_BYTES) return null;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const inFlightMax = view.getUint32(4, true);
  if (view.getUint8(0) !== OPEN_PRODUCER || inFlightMax === 0 || inFlightMax > IN_FLIGHT_MAX) return null;
  return { type: 'open-producer', inFlightMax };
}
