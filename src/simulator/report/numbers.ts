const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** "12,346"; below 100 three significant digits: "0.25". */
export function number(value: number): string {
  return Math.abs(value) < 100 ? fine.format(value) : whole.format(value);
}

/** A share of 1: "6.00 %". */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** "850 ms", "42.5 s", "4 min". */
export function milliseconds(ms: number): string {
  return ms < 1000 ? `${number(ms)} ms` : time(ms / 1000);
}

/** A moment or a length of virtual time: "42 s", "3 min 20 s", "2 h 5 min". */
export function time(seconds: number): string {
  if (seconds < 60) return `${number(seconds)} s`;
  const rounded = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(rounded / 3600), Math.floor((rounded % 3600) / 60), rounded % 60];
  if (hours > 0) return minutes === 0 ? `${whole.format(hours)} h` : `${whole.format(hours)} h ${minutes} min`;
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
}
