import { AbortedError } from '../client/index.ts';
import { isPassing, sinkError } from './errors.ts';
import { Gatherer, type GatherLimits } from './gatherer.ts';
import { formatPosition, isBefore, type Position } from './position.ts';
import type { Opened, RedisStream, StreamEntry } from './redis-stream.ts';

/** Where the entries of a stream come from: in order, the same ones each time. */
export interface Source {
  /** What it is, so that no two sources are mixed in one stream. */
  readonly identity: string;
  /** Ends with AbortedError when the signal comes. */
  read(from: Position, signal: AbortSignal): AsyncIterable<StreamEntry>;
}

export interface SinkOptions {
  readonly source: Source;
  readonly stream: RedisStream;
  /** Where to begin if nothing is known of the stream. */
  readonly first: Position;
  /** Ends it, once what is on its way is answered. */
  readonly signal: AbortSignal;
  /** Ends it at once: what is on its way is not waited for, and the checkpoint will tell what became of it. */
  readonly abandon: AbortSignal;
  /** Told what an operator wants to know. */
  readonly say: (line: string) => void;
  /** Resolves after so many milliseconds, or when the signal comes. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface SinkResult {
  /** Entries that this run added to the stream. */
  readonly records: number;
  /** Where the next run goes on. */
  readonly next: Position;
}

/** So much goes into one step of Redis, which does nothing else meanwhile: some milliseconds. */
const STEP: GatherLimits = { count: 1000, bytes: 512 * 1024 };
const PAUSE_MS = 500;

/**
 * Brings a source into a stream, each record once in effect, until the source ends or the signal comes. One step is on
 * its way at a time, and the next is gathered meanwhile.
 * @throws SinkError, and what the source ends with.
 */
export async function runSink(options: SinkOptions): Promise<SinkResult> {
  const progress: Progress = { records: 0, next: options.first };
  try {
    await follow(options, progress);
  } catch (error) {
    if (!options.signal.aborted || !(error instanceof AbortedError)) throw error;
  }
  return progress;
}

/** What is known to lie in the stream, also when it ends in the middle of something. */
interface Progress {
  records: number;
  next: Position;
}

async function follow(options: SinkOptions, progress: Progress): Promise<void> {
  const { source, stream, first, signal, say } = options;
  for (let isFirst = true; ; isFirst = false) {
    const opened = await patiently(options, isFirst, async () => stream.open(first));
    sayWhere(options, opened, isFirst ? null : progress.next);
    progress.next = opened.next;
    const reading = new AbortController();
    const stop = (): void => reading.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const gatherer = new Gatherer(source.read(opened.next, reading.signal), ({ bytes }) => bytes, STEP);
    try {
      for (;;) {
        const entries = await gatherer.take();
        if (entries === null) return;
        if (!(await patiently(options, false, async () => stream.append(entries)))) break;
        progress.records += entries.length;
        progress.next = stream.next;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
      await gatherer.drop();
    }
    const at = formatPosition(progress.next);
    say(`the stream ${stream.key} does not stand at ${at} any more: looking again`);
  }
}

/** Repeats a step as long as Redis may think better of it; not the very first one, where somebody may be waiting. */
async function patiently<T>(
  { stream, signal, abandon, say, pause }: SinkOptions,
  isFirst: boolean,
  step: () => Promise<T>,
): Promise<T> {
  let said = '';
  for (;;) {
    try {
      const result = await unless(abandon, step());
      if (said !== '') say('Redis takes writes again');
      return result;
    } catch (error) {
      if (!isReply(error)) throw error;
      if (isFirst || !isPassing(error)) throw sinkError(error, stream.key);
      if (signal.aborted) throw new AbortedError('none');
      if (error.message !== said) say(`Redis takes no writes for now: ${error.message}`);
      said = error.message;
      await pause(PAUSE_MS);
    }
  }
}

/** The promise, or AbortedError as soon as the signal comes: a command may wait for ever for a Redis that is gone. */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(new AbortedError('unknown'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function sayWhere({ stream, say }: SinkOptions, { next, isNew }: Opened, reached: Position | null): void {
  const at = formatPosition(next);
  if (reached === null)
    say(isNew ? `fills ${stream.key} from ${at} on` : `goes on with ${stream.key} at ${at}`);
  else if (isBefore(next, reached))
    say(`Redis has lost what was after ${at} in ${stream.key}: writing it again`);
  else say(`goes on with ${stream.key} at ${at}`);
}

/** Whether this is what Redis said, and not what this program says of it. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}
