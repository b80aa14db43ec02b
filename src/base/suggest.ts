/** The candidate that was probably meant: the nearest one within two slips (one in a short word). Null if none is. */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  const slipsMax = word.length <= 4 ? 1 : 2;
  let best: string | null = null;
  let slipsLeast = slipsMax + 1;
  for (const candidate of candidates) {
    const slips = slipsBetween(word, candidate);
    if (slips >= slipsLeast) continue;
    best = candidate;
    slipsLeast = slips;
  }
  return best;
}

/** Letters missing, too many, wrong, or swapped with their neighbour (optimal string alignment). */
function slipsBetween(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row += 1) {
    const cells = [row];
    rows.push(cells);
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      cells[column] = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (isSame ? 0 : 1),
        isSwapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return at(one.length, other.length);
}
