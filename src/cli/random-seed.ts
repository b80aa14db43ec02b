/** 53 bits that nobody can guess, for incarnations and the like. */
export function randomSeed(): number {
  const words = new Uint32Array(2);
  crypto.getRandomValues(words);
  return (words[0] ?? 0) * 2 ** 21 + ((words[1] ?? 0) >>> 11);
}
