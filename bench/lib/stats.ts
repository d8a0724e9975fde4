/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/**
 * The median of round-by-round ratios. What slows the whole machine for a round slows both sides of it,
 * so that these are steadier than the ratio of the medians.
 */
export function medianRatio(values: readonly number[], references: readonly number[]): number {
  return median(values.flatMap((value, round) => value / (references[round] ?? Number.NaN)).filter(Number.isFinite));
}
