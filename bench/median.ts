/** The middle of the samples. Throws a RangeError when there are none. */
export function median(samples: readonly number[]): number {
  const middle = samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)];
  if (middle === undefined) throw new RangeError("no samples");
  return middle;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
