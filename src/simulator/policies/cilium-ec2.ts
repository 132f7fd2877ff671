/**
 * The operator's calls of EC2.
 * Source: cilium/cilium, pkg/aws/api/api.go and pkg/aws/ipam/instances.go (v1.19/v1.20): every call waits for one
 * limiter, --limit-ipam-api-qps 4.0 and --limit-ipam-api-burst 20 (operator command line reference); the SDK's standard
 * retryer without a quota of its own (ratelimit.None); a full resync is DescribeVpcs, DescribeSubnets,
 * DescribeSecurityGroups, DescribeRouteTables and DescribeNetworkInterfaces of every interface with an IPv4 address, by
 * default not paginated (--aws-max-results-per-call 0); one instance's sync is one DescribeNetworkInterfaces
 * (cilium/cilium#27791). A retry inside the SDK does not pass the limiter again.
 */
import type { Clock } from "../../adapters/index.ts";
import type { Dice } from "../engine/index.ts";
import type { Result, SimulatedCloud } from "../index.ts";
import { holderOf, interfaceOf, listOf, type ShownInterface, type ShownSubnet, subnetsOf } from "./answers.ts";
import { Ec2Client } from "./ec2-client.ts";
import { TokenSchedule } from "./token-schedule.ts";

const CALLS_PER_SECOND = 4;
const BURST = 20;

export class CiliumEc2 {
  readonly #ec2: Ec2Client;
  readonly #clock: Clock;
  readonly #limiter = new TokenSchedule({ capacity: BURST, refillPerSecond: CALLS_PER_SECOND });
  subnets: readonly ShownSubnet[] = [];

  constructor({ cloud, clock, dice }: { cloud: SimulatedCloud; clock: Clock; dice: Dice }) {
    this.#clock = clock;
    this.#ec2 = new Ec2Client({
      cloud,
      wire: clock,
      clock,
      random: dice,
      accessKeyId: cloud.accounts()[0]?.accessKeyId ?? "",
      retryQuota: Number.POSITIVE_INFINITY,
      admit: () => this.#admit(),
    });
  }

  call(action: string, parameters: Parameters<Ec2Client["call"]>[1]): Promise<Result> {
    return this.#ec2.call(action, parameters);
  }

  /** Limits of all instance types, once at the start; the table is the simulator's own. */
  async instanceTypes(): Promise<void> {
    await this.call("DescribeInstanceTypes", {});
  }

  /** Of all interfaces that the account has, those that `isWanted` says of their instance. */
  async resync(isWanted: (instanceId: string) => boolean): Promise<readonly ShownInterface[]> {
    await this.call("DescribeVpcs", {});
    this.subnets = subnetsOf(await this.call("DescribeSubnets", {}));
    await this.call("DescribeSecurityGroups", {});
    await this.call("DescribeRouteTables", {});
    const answer = await this.call("DescribeNetworkInterfaces", {
      Filter: [{ Name: "private-ip-address", Value: ["*"] }],
    });
    return listOf(answer, "networkInterfaceSet")
      .filter((one) => isWanted(holderOf(one)))
      .map(interfaceOf);
  }

  async interfacesOf(instanceId: string): Promise<readonly ShownInterface[]> {
    const answer = await this.call("DescribeNetworkInterfaces", {
      Filter: [{ Name: "attachment.instance-id", Value: [instanceId] }],
    });
    return listOf(answer, "networkInterfaceSet").map(interfaceOf);
  }

  #admit(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const delayMs = this.#limiter.take(nowMs) - nowMs;
    return delayMs <= 0 ? Promise.resolve() : new Promise((resolve) => void this.#clock.after(delayMs, resolve));
  }
}
