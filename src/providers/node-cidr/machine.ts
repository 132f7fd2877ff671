import type { NodeAddress } from "../../manager/ports/index.ts";

/** What the provider asks of the machine it runs on. */
export interface Machine {
  /** 32 hexadecimal digits that are this machine's for good, or a text in its place; undefined where it has none. */
  identity(): Promise<string | undefined>;

  hostname(): string;

  /**
   * The addresses of all devices in the network namespace of the process. `partly` says why those of devices that are down
   * may be missing; absent when none is. Never rejects.
   */
  addresses(signal?: AbortSignal): Promise<{ readonly addresses: readonly NodeAddress[]; readonly partly?: string }>;
}
