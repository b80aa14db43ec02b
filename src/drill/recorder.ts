import fs from 'node:fs';
import { HistoryChecker, HistoryWriter, type FinalEntry, type HistoryEvent } from '../check/index.ts';

/** How an append ended. */
type Ended =
  | { readonly type: 'append-ok'; readonly index: number; readonly term: number }
  | { readonly type: 'append-failed' }
  | { readonly type: 'append-unknown' };

/**
 * What all clients of a drill did and were told: judged as it happens, and kept in a file of the format of histories, so
 * that anybody can judge it again.
 */
export class Recorder {
  readonly file: string;
  readonly checker: HistoryChecker = new HistoryChecker();
  /** Values by what clients were told of them; an acknowledged one with its index. */
  readonly acknowledged: Map<string, number> = new Map();
  unknown = 0;
  failed = 0;
  readonly #writer: HistoryWriter;
  readonly #stream: fs.WriteStream;
  readonly #values = new Map<number, string>();
  #operations = 0;

  constructor(file: string, recordedBy: string) {
    this.file = file;
    this.#stream = fs.createWriteStream(file, { mode: 0o600 });
    // A full disk costs the copy on disk, not the judgement.
    this.#stream.on('error', () => undefined);
    this.#writer = new HistoryWriter(recordedBy, (text) => this.#stream.write(text));
  }

  /** @returns the number of the operation. */
  beginAppend(producer: string, sequence: number, value: string): number {
    const operation = this.#next();
    this.#values.set(operation, value);
    this.event({ type: 'append-invoked', operation, producer, sequence, values: [value] });
    return operation;
  }

  endAppend(operation: number, ended: Ended): void {
    const value = this.#values.get(operation);
    this.#values.delete(operation);
    if (ended.type === 'append-ok' && value !== undefined) this.acknowledged.set(value, ended.index);
    if (ended.type === 'append-failed') this.failed += 1;
    if (ended.type === 'append-unknown') this.unknown += 1;
    this.event({ ...ended, operation });
  }

  /** @returns the number of the operation. */
  beginRead(reader: string, from: number, consistency: 'linearizable' | 'committed'): number {
    const operation = this.#next();
    this.event({ type: 'read-invoked', operation, reader, from, consistency });
    return operation;
  }

  event(event: HistoryEvent): void {
    this.checker.add(event);
    this.#writer.event(event);
  }

  beginLog(node: string, firstIndex: number, commitIndex: number): void {
    this.checker.beginLog(node, firstIndex, commitIndex);
    this.#writer.beginLog(node, firstIndex, commitIndex);
  }

  entry(entry: FinalEntry): void {
    this.checker.addEntry(entry);
    this.#writer.entry(entry);
  }

  /** Resolves when the file is whole. */
  async close(): Promise<void> {
    this.#writer.end();
    await new Promise<void>((resolve) => {
      this.#stream.on('close', resolve);
      this.#stream.end();
    });
  }

  #next(): number {
    this.#operations += 1;
    return this.#operations;
  }
}
