export { type Cancel, type Clock, sleep, systemClock } from "./clock.ts";
export { jitterMs, type Random, systemRandom } from "./random.ts";
export { steady } from "./steady.ts";
