import type { Clock } from "../../adapters/index.ts";

/** Where progress is shown: standard error, so that the answer on standard output stays clean. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly columns: number;
  write(text: string): void;
}

export const standardScreen = (): Screen => ({
  isTerminal: process.stderr.isTTY === true,
  columns: process.stderr.columns || 80,
  write: (text) => void process.stderr.write(text),
});

/** Nobody wants to see it: `--json`. */
export const NO_SCREEN: Screen = { isTerminal: true, columns: 0, write: () => {} };

const REPAINT_MS = 200;
const LINE_MS = 30_000;
const ERASE_LINE = "\r\u001b[2K";

/** One line that is painted over on a terminal; elsewhere a line at most every 30 s. */
export class ProgressLine {
  readonly #screen: Screen;
  readonly #clock: Clock;
  #shownAtMs: number;
  #isOnScreen = false;

  constructor(screen: Screen, clock: Clock) {
    this.#screen = screen;
    this.#clock = clock;
    this.#shownAtMs = screen.isTerminal ? Number.NEGATIVE_INFINITY : clock.monotonicMs();
  }

  /** `text` is asked for only when it is shown. */
  show(text: () => string): void {
    const { isTerminal, columns } = this.#screen;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#shownAtMs < (isTerminal ? REPAINT_MS : LINE_MS)) return;
    this.#shownAtMs = nowMs;
    // A line that wraps could not be erased.
    this.#screen.write(isTerminal ? `${ERASE_LINE}${text().slice(0, Math.max(0, columns - 1))}` : `${text()}\n`);
    this.#isOnScreen = isTerminal;
  }

  /** Makes room for other output; the next `show` paints at once. */
  clear(): void {
    if (this.#isOnScreen) this.#screen.write(ERASE_LINE);
    this.#isOnScreen = false;
    if (this.#screen.isTerminal) this.#shownAtMs = Number.NEGATIVE_INFINITY;
  }
}
