import type { EnidEvent } from "../../manager/index.ts";
import type { Parameters } from "../index.ts";
import type { KubeletHooks } from "../kubelet/index.ts";
import type { Machine } from "./machine.ts";

/** What happens on a machine, told while it happens. */
export interface MachineWatcher {
  /** Who watches the machine's container runtime. */
  hooksOf(machine: Machine): KubeletHooks;
  /** A call of EC2 leaves the machine. */
  sending(machine: Machine, action: string, parameters: Parameters): void;
  /** EC2 is about to carry it out. */
  calling(machine: Machine, action: string, parameters: Parameters): void;
  event(machine: Machine, event: EnidEvent): void;
  /** Something ran on the machine: what it holds may have changed. */
  touched(machine: Machine): void;
  log(machine: Machine, kind: string, text: string): void;
  /** Something was thrown that no program may throw. */
  failed(machine: Machine, thrown: unknown): void;
}
