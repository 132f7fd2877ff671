/** What an account may not do. */
import { type Account, isDenied } from "./accounts.ts";
import type { Action } from "./action.ts";
import { callerOf } from "./credentials.ts";
import { SimulatedError } from "./simulated-error.ts";

/** Errors: UnauthorizedOperation in EC2's words (kubernetes-sigs/karpenter#2813); only changes name a resource. */
export function authorize({ state, deniedActions }: Account, action: Action, accessKeyId: string): void {
  if (action.service !== "ec2" || !isDenied(deniedActions, action.name)) return;
  const { arn } = callerOf(state, accessKeyId);
  const isChange = action.kind === "mutating";
  const resource = isChange ? ` on resource: arn:aws:ec2:${state.region}:${state.account}:network-interface/*` : "";
  const encoded = isChange ? ". Encoded authorization failure message: simulated" : "";
  throw new SimulatedError(
    "UnauthorizedOperation",
    `You are not authorized to perform this operation. User: ${arn} is not authorized to perform: ec2:${action.name}` +
      `${resource} because no identity-based policy allows the ec2:${action.name} action${encoded}`,
  );
}
