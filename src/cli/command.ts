import { usageError } from './cli-error.ts';
import type { OutputFormat } from './output.ts';

/**
 * One flag. Those `inConfig` are settings: without one on the command line the value comes from DLEDGER_<NAME>, else
 * from the configuration file, else the default. The others belong to one call: what is in the environment for a node
 * must never become, say, a record.
 */
export interface Flag {
  readonly name: string;
  readonly alias?: string;
  readonly type: 'string' | 'number' | 'boolean';
  /** What it is, with its unit. */
  readonly describe: string;
  readonly default?: string | number | boolean;
  readonly choices?: readonly string[];
  /** Settable in the environment and in the configuration file too. */
  readonly inConfig?: boolean;
  readonly hidden?: boolean;
}

export interface Positional {
  readonly name: string;
  readonly describe: string;
  readonly isRequired: boolean;
}

export type FlagValue = string | number | boolean;

/** The settled values of a call: every flag that has a value, and where it came from. */
export interface Call {
  readonly values: ReadonlyMap<string, FlagValue>;
  readonly positionals: ReadonlyMap<string, string>;
  readonly format: OutputFormat;
  readonly isFormatChosen: boolean;
  readonly now: () => Date;
}

/** A command is a value: what it is called, what it takes, what it does. Only `parse.ts` knows how flags are parsed. */
export interface Command {
  /** Words, as typed: "cluster status". */
  readonly path: string;
  readonly describe: string;
  readonly flags: readonly Flag[];
  readonly positionals?: readonly Positional[];
  readonly examples?: readonly (readonly [string, string])[];
  /** Whether --endpoints and --timeout belong to it. */
  readonly isClient: boolean;
  /** @returns the exit status. */
  run(call: Call): Promise<number>;
}

export function text(call: Call, name: string): string | null {
  const value = call.values.get(name);
  return value === undefined ? null : String(value);
}

export function number(call: Call, name: string): number | null {
  const value = call.values.get(name);
  return value === undefined ? null : Number(value);
}

export function flag(call: Call, name: string): boolean {
  return call.values.get(name) === true;
}

/** An index or a count. @throws CliError where it is no integer in 1..2^53-1. */
export function positive(call: Call, name: string): number | null {
  const value = number(call, name);
  if (value !== null && (!Number.isSafeInteger(value) || value < 1)) {
    throw usageError(`--${name} ${value} is not an integer in 1..2^53-1`);
  }
  return value;
}
