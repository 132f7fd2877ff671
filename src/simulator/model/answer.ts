/** What a caller of the simulated cloud gets over its connection, `delayMs` after it was made (0 if absent). */
export type Answer = { readonly delayMs?: number } & Outcome;

type Outcome =
  | {
      readonly kind: "reply";
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  /** The connection closes without an answer. */
  | { readonly kind: "reset" }
  /** No answer ever: the caller must give up by itself. */
  | { readonly kind: "hang" };
