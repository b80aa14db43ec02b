/**
 * A place in a source, and the id of the stream entry that its record becomes. For the log `major` is an entry's index
 * and `minor` the record's ordinal within it. Ids that follow from the place make a record that is written a second
 * time impossible, whatever has been forgotten.
 */
export interface Position {
  readonly major: number;
  readonly minor: number;
}

export function formatPosition({ major, minor }: Position): string {
  return `${major}-${minor}`;
}

/** @returns null where the text is none, or beyond what a number holds exactly. */
export function parsePosition(text: string): Position | null {
  const [, major, minor] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  const position = { major: Number(major), minor: Number(minor) };
  return Number.isSafeInteger(position.major) && Number.isSafeInteger(position.minor) ? position : null;
}

/** The lowest position that a record behind this one can have. */
export function after({ major, minor }: Position): Position {
  return { major, minor: minor + 1 };
}

export function isBefore(one: Position, other: Position): boolean {
  return one.major < other.major || (one.major === other.major && one.minor < other.minor);
}
