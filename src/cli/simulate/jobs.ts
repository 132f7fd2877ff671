import type { ScenarioOutcome } from "../../simulator/scenario/index.ts";
import type { SeedOptions, SeedOutcome, Shrunk, Trace } from "../../simulator/world/index.ts";

/** What a worker thread can be asked for, and its answers: plain data, since it crosses between threads. */
export interface JobKinds {
  readonly seed: { readonly ask: SeedOptions; readonly answer: SeedOutcome };
  /** `runs`: at most so many runs of the world. Progress: runs so far. */
  readonly shrink: { readonly ask: { readonly outcome: SeedOutcome; readonly runs: number }; readonly answer: Shrunk };
  readonly trace: { readonly ask: { readonly options: SeedOptions; readonly subject: string }; readonly answer: Trace };
  /** `text` of the scenario and the `file` that it came from. Progress: what there is to say, for people. */
  readonly scenario: {
    readonly ask: { readonly text: string; readonly file: string; readonly policy: string };
    readonly answer: ScenarioOutcome;
  };
}

export type JobKind = keyof JobKinds;
export type Ask<Kind extends JobKind> = JobKinds[Kind]["ask"];
export type Answer<Kind extends JobKind> = JobKinds[Kind]["answer"];

/** A number or a line for people: how far a job is. */
export type Progress = number | string;

export type JobHandlers = {
  readonly [Kind in JobKind]: (ask: Ask<Kind>, onProgress: (progress: Progress) => void) => Promise<Answer<Kind>>;
};
