import type { Machine } from "../machine.ts";
import { type Breach, breach } from "./breach.ts";

/** Tasks of one node at a time: at no moment do two processes that live hold one of them. */
export class Singles {
  readonly #report: (machine: string, breach: Breach) => void;
  readonly #holders = new Map<string, Set<Machine>>();

  constructor(report: (machine: string, breach: Breach) => void) {
    this.#report = report;
  }

  /** After an event that touched the machine. */
  looked(machine: Machine): void {
    for (const { task, holds } of machine.daemon?.fleet?.report().singletons ?? []) {
      const holders = this.#holders.get(task) ?? new Set();
      this.#holders.set(task, holders);
      if (!holds) holders.delete(machine);
      else if (!holders.has(machine)) this.#begins(machine, task, holders);
    }
  }

  #begins(machine: Machine, task: string, holders: Set<Machine>): void {
    // Their leases end by time alone: what was true at the last look need not be so now.
    for (const other of [...holders]) {
      if (!holdsNow(other, task)) holders.delete(other);
      else this.#report(machine.name, breach(12, `${machine.name} and ${other.name} both hold the task ${task}`));
    }
    holders.add(machine);
  }
}

function holdsNow({ daemon }: Machine, task: string): boolean {
  return daemon?.fleet?.report().singletons.some((one) => one.task === task && one.holds) === true;
}
