const LINE_FEED = 10;

/** A line is longer than it may be. What came before it has been handed out. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
  /** From 1. */
  readonly line: number;
  readonly bytes: number;
  /** False where the line goes on beyond `bytes`. */
  readonly isWhole: boolean;

  constructor(line: number, bytes: number, isWhole: boolean) {
    super(`line ${line} has ${isWhole ? '' : 'at least '}${bytes} bytes`);
    this.line = line;
    this.bytes = bytes;
    this.isWhole = isWhole;
  }
}

/**
 * Cuts a stream into lines at line feeds, without them. A last line without one is a line; an empty line is an empty
 * line; a carriage return belongs to its line. Yields the lines of each chunk together, and never holds more than a
 * chunk and a line.
 * @throws LineTooLongError
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<Uint8Array[]> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  let count = 0;
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = [];
    let start = 0;
    let tooLong: LineTooLongError | null = null;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      const bytes = restBytes + piece.length;
      if (bytes > lineBytesMax) {
        tooLong = new LineTooLongError(count + 1, bytes, end !== -1);
        break;
      }
      if (end === -1) {
        if (piece.length > 0) rest.push(piece);
        restBytes = bytes;
        break;
      }
      lines.push(rest.length === 0 ? piece : Buffer.concat([...rest, piece], bytes));
      count += 1;
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    if (lines.length > 0) yield lines;
    if (tooLong !== null) throw tooLong;
  }
  if (rest.length > 0) yield [Buffer.concat(rest, restBytes)];
}
