import type { Clock, Random } from "../adapters/index.ts";
import type { Environment } from "../configuration/index.ts";
import type { FleetNode } from "../fleet/index.ts";
import type { Provider, Telemetry } from "../manager/index.ts";

export interface ProviderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** That of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the node shares with others. Absent = nothing. */
  readonly fleet?: FleetNode | undefined;
}

/** The provider of that environment; only its own code is loaded, so that a node on-premises never loads the AWS SDK. */
export async function createProviderFor(kind: Environment, options: ProviderOptions): Promise<Provider> {
  if (kind === "node-cidr") {
    const { createLocalProvider } = await import("../providers/node-cidr/index.ts");
    return createLocalProvider(options);
  }
  const { createAwsProvider } = await import("../providers/aws/index.ts");
  const { fleet, ...own } = options;
  if (fleet === undefined) return createAwsProvider(own);
  const { budget, facts } = fleet;
  return createAwsProvider({ ...own, fleet: { budget, facts, located: (place) => fleet.located(place) } });
}
