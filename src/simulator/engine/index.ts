/** What every simulated world runs on: one clock and queue, dice from one seed, and a log that proves a run repeatable. */
export { MachineClock, ProcessClock } from "./clocks.ts";
export { Dice } from "./dice.ts";
export { EventLog, type LogEntry } from "./event-log.ts";
export { Scheduler, type SchedulerOptions } from "./scheduler.ts";
