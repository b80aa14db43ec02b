import type { HeapProfiler, Profiler } from 'node:inspector/promises';

/** What a probe brings of a process. */
export interface Seen {
  readonly cpu: Profiler.Profile;
  readonly heap: HeapProfiler.SamplingHeapProfile;
}

/** Shares of a whole by part of the program, the largest first. */
export type Shares = readonly (readonly [area: string, amount: number])[];

interface Frame {
  readonly functionName: string;
  readonly url: string;
}

const FLOOR = /\/(?:dist|src)\/([a-z]+)\//;

/** The floor that a function belongs to, or what it is if it is none of ours. */
function areaOf({ functionName, url }: Frame): string {
  const floor = FLOOR.exec(url)?.[1];
  if (floor !== undefined) return floor;
  if (functionName === '(garbage collector)') return 'collector';
  if (functionName === '(program)') return 'native';
  if (functionName === '(idle)') return 'idle';
  return 'Node.js';
}

/** Samples of the main thread, without those in which it waited. */
export function cpuByArea({ cpu }: Seen): Shares {
  return sorted(cpuBy(cpu, areaOf));
}

/** The functions that take most of it, with what they take. */
export function cpuByFunction({ cpu }: Seen): Shares {
  return sorted(cpuBy(cpu, functionOf));
}

/** Bytes of V8's heap, whether they were collected since or not. Buffers lie outside of it. */
export function allocationsByArea({ heap }: Seen): Shares {
  return sorted(bytesBy(heap, areaOf));
}

export function allocationsByFunction({ heap }: Seen): Shares {
  return sorted(bytesBy(heap, functionOf));
}

function bytesBy(
  { head }: HeapProfiler.SamplingHeapProfile,
  keyOf: (frame: Frame) => string,
): Map<string, number> {
  const bytes = new Map<string, number>();
  const visit = (node: HeapProfiler.SamplingHeapProfileNode): void => {
    add(bytes, keyOf(node.callFrame), node.selfSize);
    for (const child of node.children) visit(child);
  };
  visit(head);
  return bytes;
}

/** Functions of ours by name, the rest together. */
function functionOf(frame: Frame): string {
  return FLOOR.test(frame.url) ? nameOf(frame) : areaOf(frame);
}

export function sum(shares: Shares): number {
  return shares.reduce((total, [, amount]) => total + amount, 0);
}

function cpuBy({ nodes }: Profiler.Profile, keyOf: (frame: Frame) => string): Map<string, number> {
  const samples = new Map<string, number>();
  // Samples are counted, and not the time between them: that would charge whoever ran before for what other processes took.
  for (const { callFrame, hitCount = 0 } of nodes)
    if (callFrame.functionName !== '(idle)') add(samples, keyOf(callFrame), hitCount);
  return samples;
}

function nameOf({ functionName, url }: Frame): string {
  const file = url.slice(url.lastIndexOf('/') + 1).replace(/\.[jt]s$/, '');
  return `${functionName === '' ? '(anonymous)' : functionName} (${file})`;
}

function add(map: Map<string, number>, key: string, amount: number): void {
  map.set(key, (map.get(key) ?? 0) + amount);
}

function sorted(map: ReadonlyMap<string, number>): Shares {
  return [...map].toSorted(([, one], [, other]) => other - one);
}
