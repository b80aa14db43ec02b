import type { Figure } from './figure.ts';

export interface ScaleOptions {
  /** Where the data of all servers goes. */
  readonly parent: string;
  /** How long the largest log gets, in bytes of records. */
  readonly logBytesMax: number;
  readonly progress: (text: string) => void;
}

/** One question of what grows with what. */
export interface ScalePart {
  readonly name: string;
  /** Room on the disk that it needs, with something to spare. */
  readonly diskBytes: (options: ScaleOptions) => number;
  readonly run: (options: ScaleOptions) => Promise<Figure[]>;
}

/** What is measured is measured so many times, for so long each. */
export const SLICES = 3;
export const SLICE_MS = 800;
export const SLICE_WARM_UP_MS = 200;
