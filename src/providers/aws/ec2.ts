import {
  type _InstanceType,
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  type EC2Client,
  type Filter,
  type InstanceTypeInfo,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
  type SecurityGroup,
  type Subnet,
  UnassignPrivateIpAddressesCommand,
} from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import { ec2FailureOf, failureOf } from "./failures.ts";
import type { MutationQueues } from "./mutation-queues.ts";
import type { Surroundings } from "./options.ts";
import { Pauses } from "./waiting.ts";

/** EC2's maximum for the describes used here. */
const PAGE_SIZE = 1_000;
/** More pages than any node or VPC has; an endless row of tokens ends here. */
const PAGES_LIMIT = 50;

/** Filters are ANDed, the values of one are ORed. Never empty: that would describe the whole account. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** What an interface is created with. Equal for equal tokens, or EC2 answers IdempotentParameterMismatch. */
export interface InterfaceRequest {
  readonly subnetId: string;
  readonly securityGroups: readonly string[];
  readonly description: string;
  readonly secondaryAddresses: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly clientToken: string;
}

interface Call {
  readonly action: string;
  readonly mutation: boolean;
  readonly subnetId?: string;
}

type Send<Answer> = (options: { abortSignal: AbortSignal }) => Promise<Answer>;

interface Answered {
  readonly $metadata: { readonly requestId?: string | undefined; readonly httpStatusCode?: number | undefined };
}

interface PageRequest {
  readonly Filters: Filter[];
  readonly MaxResults: number;
  readonly NextToken?: string;
}

interface Page extends Answered {
  readonly NextToken?: string | undefined;
}

/**
 * The one place that talks to EC2. Every method rejects with an EnidError whose details are an Ec2Failure. Describes
 * are tried again a few times; a mutation is sent once, in its turn (mutation-queues.ts).
 */
export class Ec2 {
  readonly #world: Surroundings;
  readonly #client: EC2Client;
  readonly #queues: MutationQueues;

  constructor(world: Surroundings, client: EC2Client, queues: MutationQueues) {
    this.#world = world;
    this.#client = client;
    this.#queues = queues;
  }

  describeInterfaces(filters: Filters, signal?: AbortSignal): Promise<NetworkInterface[]> {
    return this.#pages(
      "DescribeNetworkInterfaces",
      filters,
      (page, options) => this.#client.send(new DescribeNetworkInterfacesCommand(page), options),
      (answer) => answer.NetworkInterfaces,
      signal,
    );
  }

  describeSubnets(filters: Filters, signal?: AbortSignal): Promise<Subnet[]> {
    return this.#pages(
      "DescribeSubnets",
      filters,
      (page, options) => this.#client.send(new DescribeSubnetsCommand(page), options),
      (answer) => answer.Subnets,
      signal,
    );
  }

  describeSecurityGroups(filters: Filters, signal?: AbortSignal): Promise<SecurityGroup[]> {
    return this.#pages(
      "DescribeSecurityGroups",
      filters,
      (page, options) => this.#client.send(new DescribeSecurityGroupsCommand(page), options),
      (answer) => answer.SecurityGroups,
      signal,
    );
  }

  async describeInstanceType(instanceType: string, signal?: AbortSignal): Promise<InstanceTypeInfo | undefined> {
    const command = new DescribeInstanceTypesCommand({ InstanceTypes: [instanceType as _InstanceType] });
    const call = { action: "DescribeInstanceTypes", mutation: false };
    const answer = await this.#persist(call, (options) => this.#client.send(command, options), signal);
    return answer.InstanceTypes?.[0];
  }

  /** The interface as EC2 answers; the same one for a token used before. */
  createInterface(request: InterfaceRequest, signal?: AbortSignal): Promise<NetworkInterface> {
    const command = new CreateNetworkInterfaceCommand({
      SubnetId: request.subnetId,
      Groups: [...request.securityGroups],
      Description: request.description,
      ...(request.secondaryAddresses > 0 ? { SecondaryPrivateIpAddressCount: request.secondaryAddresses } : {}),
      TagSpecifications: [
        {
          ResourceType: "network-interface",
          Tags: Object.entries(request.tags).map(([Key, Value]) => ({ Key, Value })),
        },
      ],
      ClientToken: request.clientToken,
    });
    return this.#mutate(
      { action: "CreateNetworkInterface", mutation: true, subnetId: request.subnetId },
      request.clientToken,
      (options) => this.#client.send(command, options),
      (answer) => (answer.NetworkInterface?.NetworkInterfaceId ? answer.NetworkInterface : undefined),
      signal,
    );
  }

  /** The attachment id. Always on network card 0, which is what the limits count. */
  attach(
    request: { readonly interfaceId: string; readonly instanceId: string; readonly deviceIndex: number },
    signal?: AbortSignal,
  ): Promise<string> {
    const command = new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: request.interfaceId,
      InstanceId: request.instanceId,
      DeviceIndex: request.deviceIndex,
      NetworkCardIndex: 0,
    });
    return this.#mutate(
      { action: "AttachNetworkInterface", mutation: true },
      request.interfaceId,
      (options) => this.#client.send(command, options),
      (answer) => answer.AttachmentId,
      signal,
    );
  }

  async deleteOnTermination(interfaceId: string, attachmentId: string, signal?: AbortSignal): Promise<void> {
    const command = new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: interfaceId,
      Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
    });
    const call = { action: "ModifyNetworkInterfaceAttribute", mutation: true };
    await this.#mutate(call, interfaceId, (options) => this.#client.send(command, options), whole, signal);
  }

  /** Takes `count` further secondary addresses, all or none, and answers which. Never to be repeated blindly. */
  assign(
    request: { readonly interfaceId: string; readonly subnetId: string; readonly count: number },
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    const command = new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: request.interfaceId,
      SecondaryPrivateIpAddressCount: request.count,
    });
    return this.#mutate(
      { action: "AssignPrivateIpAddresses", mutation: true, subnetId: request.subnetId },
      request.interfaceId,
      (options) => this.#client.send(command, options),
      (answer) => {
        const addresses = (answer.AssignedPrivateIpAddresses ?? []).flatMap((one) => one.PrivateIpAddress ?? []);
        return addresses.length > 0 ? addresses : undefined;
      },
      signal,
    );
  }

  /** Gives secondary addresses and prefixes back, all or none. */
  async unassign(
    request: {
      readonly interfaceId: string;
      readonly addresses: readonly string[];
      readonly prefixes: readonly string[];
    },
    signal?: AbortSignal,
  ): Promise<void> {
    const command = new UnassignPrivateIpAddressesCommand({
      NetworkInterfaceId: request.interfaceId,
      ...(request.addresses.length > 0 ? { PrivateIpAddresses: [...request.addresses] } : {}),
      ...(request.prefixes.length > 0 ? { Ipv4Prefixes: [...request.prefixes] } : {}),
    });
    const call = { action: "UnassignPrivateIpAddresses", mutation: true };
    await this.#mutate(call, request.interfaceId, (options) => this.#client.send(command, options), whole, signal);
  }

  /** Never with Force: that is for failed instances, and leaves metadata and device indexes stale. */
  async detach(interfaceId: string, attachmentId: string, signal?: AbortSignal): Promise<void> {
    const command = new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId });
    const call = { action: "DetachNetworkInterface", mutation: true };
    await this.#mutate(call, interfaceId, (options) => this.#client.send(command, options), whole, signal);
  }

  async deleteInterface(interfaceId: string, signal?: AbortSignal): Promise<void> {
    const command = new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: interfaceId });
    const call = { action: "DeleteNetworkInterface", mutation: true };
    await this.#mutate(call, interfaceId, (options) => this.#client.send(command, options), whole, signal);
  }

  close(): void {
    this.#client.destroy();
  }

  /** One mutation, once, in the turn of `key`. `take` answers undefined when the answer lacks what it must have. */
  #mutate<Answer extends Answered, Output>(
    call: Call,
    key: string,
    send: Send<Answer>,
    take: (answer: Answer) => Output | undefined,
    signal?: AbortSignal,
  ): Promise<Output> {
    let sent = false;
    const attempt = async () => {
      sent = true;
      return this.#attempt(call, send, take, signal);
    };
    return this.#queues.run(key, attempt, signal).catch((error) => {
      if (sent) throw error;
      // Aborted while waiting for its turn: certainly without effect.
      throw failureOf(cancelled(error), { ...call, mutation: false });
    });
  }

  async #persist<Answer extends Answered>(call: Call, send: Send<Answer>, signal?: AbortSignal): Promise<Answer> {
    const { describeRetries, describeRetryBaseMs, attemptLimitMs } = this.#world.limits;
    const pauses = new Pauses(this.#world, {
      baseMs: describeRetryBaseMs,
      maxMs: describeRetryBaseMs * 8,
      limitMs: (describeRetries + 1) * attemptLimitMs,
    });
    for (let retry = 0; ; retry++) {
      try {
        return await this.#attempt(call, send, whole, signal);
      } catch (error) {
        const passing = ["throttled", "transient"].includes(ec2FailureOf(error)?.class ?? "");
        if (!passing || retry >= describeRetries || signal?.aborted) throw error;
        const paused = await pauses.pause(signal).catch((reason) => {
          throw failureOf(cancelled(reason), call);
        });
        if (!paused) throw error;
      }
    }
  }

  async #pages<Answer extends Page, Item>(
    action: string,
    filters: Filters,
    send: (page: PageRequest, options: { abortSignal: AbortSignal }) => Promise<Answer>,
    items: (answer: Answer) => Item[] | undefined,
    signal?: AbortSignal,
  ): Promise<Item[]> {
    const call = { action, mutation: false };
    const Filters = asFilters(filters);
    const all: Item[] = [];
    let token: string | undefined;
    for (let pages = 0; pages < PAGES_LIMIT; pages++) {
      const page = { Filters, MaxResults: PAGE_SIZE, ...(token === undefined ? {} : { NextToken: token }) };
      const answer = await this.#persist(call, (options) => send(page, options), signal);
      all.push(...(items(answer) ?? []));
      token = answer.NextToken;
      if (!token) return all;
    }
    throw failureOf(new Error(`the answer has more than ${PAGES_LIMIT} pages`), call);
  }

  /** One attempt with its limit, told to telemetry. */
  async #attempt<Answer extends Answered, Output>(
    call: Call,
    send: Send<Answer>,
    take: (answer: Answer) => Output | undefined,
    signal?: AbortSignal,
  ): Promise<Output> {
    const { clock, telemetry, limits } = this.#world;
    const startedAtMs = clock.monotonicMs();
    const finished = (code: string, requestId: string) => {
      telemetry.cloudCall({ action: call.action, code, durationMs: clock.monotonicMs() - startedAtMs, requestId });
    };
    const stop = new AbortController();
    const abort = () => stop.abort(cancelled(signal?.reason));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const cancel = clock.after(limits.attemptLimitMs, () => {
      stop.abort(Object.assign(new Error(`no answer within ${limits.attemptLimitMs} ms`), { name: "TimeoutError" }));
    });
    try {
      // The SDK looks at the signal only once it has credentials; the race bounds that part as well.
      const stopped = new Promise<never>((_, reject) => {
        if (stop.signal.aborted) reject(stop.signal.reason);
        stop.signal.addEventListener("abort", () => reject(stop.signal.reason), { once: true });
      });
      const answer = await Promise.race([send({ abortSignal: stop.signal }), stopped]);
      const output = take(answer);
      if (output === undefined) {
        throw Object.assign(new Error("the answer lacks its result"), { $metadata: answer.$metadata });
      }
      finished("ok", answer.$metadata.requestId ?? "");
      return output;
    } catch (thrown) {
      const error = failureOf(thrown, call);
      const failure = ec2FailureOf(error);
      finished(failure?.ec2Code ?? error.code, failure?.requestId ?? "");
      throw error;
    } finally {
      cancel();
      signal?.removeEventListener("abort", abort);
    }
  }
}

function whole<Answer>(answer: Answer): Answer {
  return answer;
}

function asFilters(filters: Filters): Filter[] {
  const list = Object.entries(filters).map(([Name, values]) => ({ Name, Values: [...values] }));
  if (list.length === 0 || list.some((one) => one.Values.length === 0)) {
    throw new EnidError("ENID_INTERNAL", { detail: "a describe without filter values would describe the account" });
  }
  return list;
}

function cancelled(reason: unknown): Error {
  const detail = reason instanceof Error ? reason.message : "by the caller";
  return Object.assign(new Error(`cancelled: ${detail}`, { cause: reason }), { name: "Cancelled" });
}
