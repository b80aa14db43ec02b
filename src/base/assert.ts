/**
 * The impossible happened: a rule this system rests on does not hold. Nobody can act on it except by stopping, so it
 * is never caught and continued past; a node that meets one exits.
 */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
  readonly code = 'INVARIANT_VIOLATION';
}

/**
 * Checks an invariant, in production too. The message is a function where building it costs something, because
 * assertions stand on the hot path and almost never fail. Say the numbers in it.
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantViolation(typeof message === 'string' ? message : message());
}

/**
 * The branch of an assertion that does not hold, for what is done with every record. There a function that would make the
 * message is itself a cost: it is made anew each time, with all that it refers to.
 */
export function violated(message: string): never {
  throw new InvariantViolation(message);
}

/** For the branch that exhaustive code cannot reach; also fails to compile when a case was forgotten. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${JSON.stringify(value)}`);
}
