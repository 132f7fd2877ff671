import type { CloudState } from "./state.ts";

/** What is made once for a state and then kept with it. */
export function perState<T>(make: (state: CloudState) => T): (state: CloudState) => T {
  const made = new WeakMap<CloudState, T>();
  return (state) => {
    const known = made.get(state);
    if (known !== undefined) return known;
    const fresh = make(state);
    made.set(state, fresh);
    return fresh;
  };
}
