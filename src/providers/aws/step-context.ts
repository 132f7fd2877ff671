import { coerceError, EnidError } from "../../errors.ts";
import type { InstanceLimits, Intent, StepFailure } from "../../manager/ports/index.ts";
import type { Ec2 } from "./ec2.ts";
import { fromEc2, type InterfaceMemory, type KnownInterface } from "./interfaces.ts";
import type { Identity } from "./metadata.ts";
import { CONSISTENT_AFTER_MS, type Surroundings } from "./options.ts";
import type { SubnetRanges } from "./subnets.ts";

/** What the steps work with. */
export interface StepContext {
  readonly world: Surroundings;
  readonly ec2: Ec2;
  readonly identity: Identity;
  readonly instanceLimits: InstanceLimits;
  readonly memory: InterfaceMemory;
  readonly ranges: SubnetRanges;
}

/** A failure that ends its intent: `final` marks one that settling again would not change. */
interface MarkedFailure extends StepFailure {
  readonly final?: boolean;
}

/** The failure that an error carries, or undefined when it carries none. */
export function stepFailureOf(error: unknown): MarkedFailure | undefined {
  if (!(error instanceof EnidError)) return undefined;
  const details = error.details;
  return typeof details === "object" && details !== null && "effect" in details ? (details as StepFailure) : undefined;
}

/** The same error with `fields` of its failure replaced; one without a failure becomes a transient one. */
export function withFailure(
  thrown: unknown,
  fields: Partial<MarkedFailure> & Pick<MarkedFailure, "effect">,
): EnidError {
  const error = coerceError(thrown);
  const fallback = { class: error.code === "ENID_INTERNAL" ? "bug" : "transient", ec2Code: "" } as const;
  const details = { ...fallback, ...stepFailureOf(error), ...fields };
  return new EnidError(error.code, error.values, { cause: error.cause ?? thrown, details });
}

/** The same error, saying that nothing of the step is left and the intent can be closed. */
export function withNothingLeft(thrown: unknown): EnidError {
  return withFailure(thrown, { effect: "none", final: true });
}

/** The same error, saying that the intent must be settled; unless it says already that nothing is left to settle. */
export function withUnknownEffect(thrown: unknown): EnidError {
  return thrown instanceof EnidError && stepFailureOf(thrown)?.final
    ? thrown
    : withFailure(thrown, { effect: "unknown" });
}

/** A refusal of enid itself: it did nothing, and may do nothing. */
export function refusal(detail: string, failureClass: StepFailure["class"]): EnidError {
  const details: MarkedFailure = { class: failureClass, ec2Code: "", effect: "none", final: true };
  return new EnidError("ENID_REFUSED", { detail }, { details });
}

/** The interface is not there any more, where a step needs it. */
export function interfaceGone(action: string, interfaceId: string): EnidError {
  const failure: StepFailure = { class: "gone", ec2Code: "InvalidNetworkInterfaceID.NotFound", effect: "none" };
  const values = { action, code: failure.ec2Code, detail: `${interfaceId} does not exist` };
  return new EnidError("ENID_EC2_FAILED", values, { details: failure });
}

export interface Described {
  readonly known: KnownInterface;
  /** The instance it hangs on, whichever that is. */
  readonly instanceId: string | undefined;
  readonly attachmentId: string | undefined;
  readonly detaching: boolean;
}

/** What EC2 says of one interface now; undefined: it shows none of that id (gone, or not visible yet). */
export async function describeOne(
  context: StepContext,
  interfaceId: string,
  signal?: AbortSignal,
): Promise<Described | undefined> {
  const [described] = await context.ec2.describeInterfaces({ "network-interface-id": [interfaceId] }, signal);
  if (described === undefined) return undefined;
  const subnetId = described.SubnetId ?? "";
  await context.ranges.require(context.ec2, [subnetId], signal);
  const known = fromEc2(described, context.identity.instanceId, context.ranges.of(subnetId));
  // Any attachment counts here, one that is on its way in or out as well.
  const attachment = described.Attachment?.Status === "detached" ? undefined : described.Attachment;
  return {
    known,
    instanceId: attachment?.InstanceId,
    attachmentId: attachment?.AttachmentId,
    detaching: attachment?.Status === "detaching",
  };
}

/** The interface as remembered, else as EC2 describes it. Refuses one that must not be touched. */
export async function knownForStep(
  context: StepContext,
  interfaceId: string,
  signal?: AbortSignal,
): Promise<KnownInterface | undefined> {
  const remembered = context.memory.get(interfaceId);
  const known = remembered ?? (await describeOne(context, interfaceId, signal))?.known;
  if (known === undefined) return undefined;
  if (remembered === undefined) context.memory.put(known);
  refuseForeign(context, known);
  return known;
}

export function refuseForeign(context: StepContext, known: KnownInterface): void {
  const why = context.memory.whyForeign(known);
  if (why !== undefined) throw refusal(`${known.id} must not be touched: ${why}`, "bug");
}

/** True while EC2 may still lag what the intent did; also when the wall clock went back since. */
export function isYoung(context: StepContext, intent: Intent): boolean {
  return context.world.clock.nowMs() - intent.openedAtMs < CONSISTENT_AFTER_MS;
}
