import type { Provider } from "../../manager/ports/index.ts";
import { linuxMachine } from "./linux-machine.ts";
import { NodeCidrProvider, type NodeCidrProviderOptions } from "./provider.ts";

export { type LinuxMachineOptions, linuxMachine } from "./linux-machine.ts";
export type { Machine } from "./machine.ts";
export type { NodeCidrProviderOptions } from "./provider.ts";

/** The provider of nodes with ranges of their own (podCIDRs). It asks nobody but the machine that it runs on. */
export function createNodeCidrProvider(options: NodeCidrProviderOptions): Provider {
  return new NodeCidrProvider(options);
}

/** The same on this machine. `environment` is that of the process; ENID_MACHINE_ID in it takes the place of /etc/machine-id. */
export function createLocalProvider(
  options: Omit<NodeCidrProviderOptions, "machine"> & {
    readonly environment: Readonly<Record<string, string | undefined>>;
  },
): Provider {
  return new NodeCidrProvider({ ...options, machine: linuxMachine({ environment: options.environment }) });
}
