/** How many tries in a row may be repeated without a success between: `TOKENS / COST`. */
const TOKENS = 50;
const COST = 5;

/**
 * The retries that all describes of the process may spend together, after the SDK's own quota: a retry costs tokens, a
 * success gives some back. While EC2 is well every failure may be retried; when it is not, the tokens run out, and then
 * each failure surfaces at once instead of doubling the load.
 */
export class RetryBudget {
  #tokens = TOKENS;

  /** Whether one more try may be made now; it is paid for then. */
  spend(): boolean {
    if (this.#tokens < COST) return false;
    this.#tokens -= COST;
    return true;
  }

  /** A describe succeeded after so many retries. */
  succeeded(retries: number): void {
    this.#tokens = Math.min(TOKENS, this.#tokens + (retries > 0 ? COST : 1));
  }

  /** Retries that are left. */
  get left(): number {
    return Math.floor(this.#tokens / COST);
  }
}
