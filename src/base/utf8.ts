/**
 * UTF-8 for the floors that know nothing of a platform. What is no text becomes U+FFFD in both directions, so that the
 * same bytes are the same text everywhere.
 */
const ENCODER = new TextEncoder();
/** A byte order mark is a character like any other: text that comes back shorter than it was sent is not the same. */
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

export function encodeUtf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

export function decodeUtf8(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}
