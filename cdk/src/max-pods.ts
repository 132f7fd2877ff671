import type { IConstruct } from "constructs";
import { effectiveSettings } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { maxPodsOf as maxPodsOfType } from "../../src/max-pods/index.ts";
import type { Conflist } from "./configuration.ts";
import { EnidPropsError } from "./props-error.ts";

/**
 * The kubelet's max-pods for nodes of any of these types: what the smallest of them can hold by this configuration, as
 * `enid max-pods` says. Throws EnidPropsError for a type that the table shipped with enid does not have.
 */
export function maxPodsOf(construct: IConstruct, types: readonly string[], { read }: Conflist): number {
  const settings = effectiveSettings(read, {});
  return Math.min(...types.map((type) => ofType(construct, type, settings)));
}

function ofType(construct: IConstruct, type: string, settings: ReturnType<typeof effectiveSettings>): number {
  try {
    return maxPodsOfType(type, settings).maxPods;
  } catch (thrown) {
    if (!(thrown instanceof EnidError)) throw thrown;
    throw new EnidPropsError(construct, `${thrown.message}; give maxPods`);
  }
}
