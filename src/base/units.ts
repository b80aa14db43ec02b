import { assert } from './assert.ts';

declare const brand: unique symbol;

/** Position of an entry in the replicated log. The first entry has index 1; 0 stands for "before the first". */
export type LogIndex = number & { readonly [brand]: 'LogIndex' };

/** A Raft term. 0 stands for "before the first election". */
export type Term = number & { readonly [brand]: 'Term' };

/** Name of a node, chosen by its operator: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or a digit. */
export type NodeId = string & { readonly [brand]: 'NodeId' };

/**
 * What tells a node from an impostor or from itself with a wiped disk: a random number in 1..2^53-1, drawn once when
 * a data directory is made. 0 stands for "not known yet".
 */
export type Incarnation = number & { readonly [brand]: 'Incarnation' };

/** Which Raft group a message or an entry belongs to. There is one group today; the formats carry the number. */
export type GroupId = number & { readonly [brand]: 'GroupId' };

const NODE_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function logIndex(value: number): LogIndex {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    () => `log index ${value} is not an integer in 0..2^53-1`,
  );
  return value as LogIndex;
}

export function term(value: number): Term {
  assert(Number.isSafeInteger(value) && value >= 0, () => `term ${value} is not an integer in 0..2^53-1`);
  return value as Term;
}

export function isNodeId(value: string): value is NodeId {
  return NODE_ID_PATTERN.test(value);
}

export function nodeId(value: string): NodeId {
  assert(isNodeId(value), () => `node id ${JSON.stringify(value)} is not 1 to 64 of A-Z a-z 0-9 . _ -`);
  return value;
}

export function incarnation(value: number): Incarnation {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    () => `incarnation ${value} is not an integer in 0..2^53-1`,
  );
  return value as Incarnation;
}

/** The index `count` places after `index` (before it, where `count` is negative); never below 0. */
export function indexPlus(index: LogIndex, count: number): LogIndex {
  return logIndex(index + count);
}

export const NO_INDEX: LogIndex = 0 as LogIndex;
export const NO_TERM: Term = 0 as Term;
export const UNKNOWN_INCARNATION: Incarnation = 0 as Incarnation;
export const FIRST_GROUP: GroupId = 1 as GroupId;
