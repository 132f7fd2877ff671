/** Tells the story as it goes: live on a terminal, plain lines elsewhere, silent with --json. */
export interface Narrator {
  /** A new chapter; ends the one before. */
  chapter(title: string): void;
  /** Progress of the present chapter. */
  progress(done: number, of: number, what: string): void;
  /** A line that stays. */
  say(line: string): void;
  end(): void;
}

export function createNarrator(silent: boolean, out: NodeJS.WriteStream): Narrator {
  if (silent) return { chapter: () => {}, progress: () => {}, say: () => {}, end: () => {} };
  return out.isTTY ? liveNarrator(out) : plainNarrator(out);
}

function plainNarrator(out: NodeJS.WriteStream): Narrator {
  return {
    chapter: (title) => out.write(`\n${title}\n`),
    progress: () => {},
    say: (line) => out.write(`  ${line}\n`),
    end: () => out.write("\n"),
  };
}

const WIDTH = 28;

function liveNarrator(out: NodeJS.WriteStream): Narrator {
  const bold = (text: string) => (process.env.NO_COLOR ? text : `\x1b[1m${text}\x1b[0m`);
  const wipe = () => out.write("\r\x1b[2K");
  return {
    chapter(title) {
      wipe();
      out.write(`\n${bold(title)}\n`);
    },
    progress(done, of, what) {
      const filled = of === 0 ? WIDTH : Math.min(WIDTH, Math.round((WIDTH * done) / of));
      wipe();
      out.write(`  [${"█".repeat(filled)}${"·".repeat(WIDTH - filled)}] ${done}/${of} ${what}`);
    },
    say(line) {
      wipe();
      out.write(`  ${line}\n`);
    },
    end() {
      wipe();
      out.write("\n");
    },
  };
}

/** A table with aligned columns; figures to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return typeof cell === "number" ? String(cell).padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
