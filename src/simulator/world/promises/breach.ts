/** A broken promise, found in a world. Its number is that of docs/architecture.md. */
export interface Breach {
  readonly promise: number;
  readonly text: string;
}

export function breach(promise: number, text: string): Breach {
  return { promise, text };
}
