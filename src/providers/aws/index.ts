import type { Provider } from "../../manager/ports/index.ts";
import type { AwsProviderOptions } from "./options.ts";
import { AwsProvider } from "./provider.ts";

export { type Ec2Failure, FAILURE_RULES, type FailureRule } from "./failures.ts";
export { nodeIdentity } from "./identity.ts";
export { type AwsLimits, type AwsProviderOptions, DEFAULT_LIMITS, type DirectAccess } from "./options.ts";
export { checkPermissions, type PermissionCheck, type PermissionReport } from "./permissions.ts";
export type { PermissionSettings } from "./permissions-facts.ts";
export { NEEDS, PERMISSIONS, WITHOUT_PERMISSION } from "./permissions-table.ts";

/** The provider of EC2 nodes. Makes no call until asked for something. */
export function createAwsProvider(options: AwsProviderOptions): Provider {
  return new AwsProvider(options);
}
