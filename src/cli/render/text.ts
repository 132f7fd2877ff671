/** Columns padded to their widest cell, two spaces apart, no trailing blanks. `right` lists columns of numbers. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

export function indent(lines: readonly string[], by = "  "): string[] {
  return lines.map((line) => (line === "" ? "" : `${by}${line}`));
}

/** "850 ms", "42 s", "3 min", "5 h 12 min", "3 d 4 h": two units at most. */
export function duration(ms: number): string {
  const positiveMs = Math.max(0, ms);
  if (positiveMs < 1_000) return `${Math.round(positiveMs)} ms`;
  const seconds = Math.round(positiveMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 > 0 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 > 0 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** "2026-08-01T12:00:00Z"; "never" for 0. */
export function moment(ms: number): string {
  return ms <= 0 ? "never" : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** "3 min ago"; "never" for 0. */
export function ago(ms: number, nowMs: number): string {
  return ms <= 0 ? "never" : `${duration(nowMs - ms)} ago`;
}

/** "40 KiB", "4.9 MiB". */
export function size(bytes: number): string {
  const kib = bytes / 1024;
  return kib < 1024 ? `${Math.ceil(kib)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

/** "1 address", "2 addresses". */
export function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
