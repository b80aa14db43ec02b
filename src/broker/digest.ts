/** murmur3's step: cheap, and every bit of the inputs moves about half of the output. Takes the low 53 bits of each. */
export function mix(digest: number, one: number, other: number): number {
  let hash = Math.imul(digest ^ one, 0xcc9e2d51) + other;
  hash = Math.imul(hash ^ (hash >>> 15), 0x1b873593);
  return (hash ^ (hash >>> 13)) >>> 0;
}
