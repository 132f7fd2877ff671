import { describe, expect, it } from "vitest";
import type { Intent, Observation, Provider } from "../../src/manager/ports/index.ts";
import type { Step } from "../../src/planning/index.ts";
import { createAwsProvider } from "../../src/providers/aws/index.ts";
import { createDirectAccess } from "../../src/simulator/direct/index.ts";
import { createFront, createInProcessTransport, type SimulatedCloud } from "../../src/simulator/index.ts";
import { INSTANCE, makeCloud, NODE_SUBNET, POD_GROUP, POD_SUBNET, PRIMARY, withIpv6 } from "../ec2/cloud.ts";
import { seeded } from "../ec2/seeded.ts";
import { RecordingTelemetry } from "../providers/aws/support.ts";
import { WorldClock } from "../support/world-clock.ts";
import { logOf } from "./sides.ts";

const SELECTION = {
  subnetIds: [],
  subnetTags: { pods: "true" },
  securityGroups: [POD_GROUP],
  securityGroupTags: {},
  excludeInterfaceTags: {},
  deleteOnTermination: true,
};

interface Side {
  readonly cloud: SimulatedCloud;
  readonly clock: WorldClock;
  readonly provider: Provider;
  readonly telemetry: RecordingTelemetry;
  /** Lets time pass until the promise is settled. */
  readonly run: <Output>(promise: Promise<Output>) => Promise<Output>;
}

/** The production provider over the real SDK in process, or over the direct access, on equal clouds. */
function side(how: "real" | "direct"): Side {
  let activity = () => 0;
  let asked = 0;
  const clock = new WorldClock(Date.UTC(2026, 0, 1), () => activity());
  const cloud = makeCloud(clock, seeded(1), { model: withIpv6() });
  const telemetry = new RecordingTelemetry();
  const common = { clock, random: seeded(3), telemetry };
  let provider: Provider;
  if (how === "real") {
    const front = createFront(cloud, clock, seeded(2));
    const onRequest = () => {
      asked += 1;
    };
    const transport = createInProcessTransport({ cloud, front, clock, instanceId: INSTANCE, onRequest });
    activity = () => transport.activity;
    const environment = {
      AWS_ENDPOINT_URL: "http://aws.invalid",
      AWS_ACCESS_KEY_ID: cloud.accessKeyOf(INSTANCE),
      AWS_SECRET_ACCESS_KEY: "secret",
    };
    provider = createAwsProvider({ ...common, environment, transport });
  } else {
    const direct = createDirectAccess({ cloud, clock, random: seeded(2), instanceId: INSTANCE });
    provider = createAwsProvider({ ...common, environment: {}, direct });
  }
  const run = async <Output>(promise: Promise<Output>): Promise<Output> => {
    let over = false;
    const settled = () => {
      over = true;
    };
    promise.then(settled, settled);
    // With the first calls (EC2 and STS) the SDK loads parts of itself in real time: virtual time stands still meanwhile.
    for (let turn = 0; turn < 2_000 && how === "real" && !over && asked < 2; turn++) {
      await clock.drain();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await clock.advance(300_000, () => over);
    return promise;
  };
  return { cloud, clock, provider, telemetry, run };
}

function intentOf(side: Side, step: Step): Intent {
  return {
    id: "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
    step,
    openedAtMs: side.clock.nowMs(),
    before: [],
    securityGroups: [POD_GROUP],
    deleteOnTermination: true,
  };
}

/** What the provider answers over a life of a node, mishaps included. */
async function life(side: Side): Promise<unknown[]> {
  const { provider, run, cloud, telemetry } = side;
  const told: unknown[] = [];
  const note = async (promise: Promise<unknown>) => {
    told.push(await run(promise).catch(({ code, message, details }) => ({ code, message, details })));
  };
  const execute = (step: Step) => note(provider.execute(intentOf(side, step), async () => undefined));
  await note(provider.identify());
  // Two calls at once, of which the SDK sends first the one whose client has loaded first.
  cloud.log.reset();
  telemetry.calls.length = 0;
  await note(provider.resolve(SELECTION));
  await note(provider.observe("cloud"));
  await execute({ kind: "add-blocks", interfaceId: PRIMARY, subnetId: NODE_SUBNET, count: 3, reason: "test" });
  await execute({ kind: "add-blocks", interfaceId: PRIMARY, subnetId: NODE_SUBNET, count: 30, reason: "test" });
  await execute({ kind: "create-interface", subnetId: POD_SUBNET, deviceIndex: 1, count: 4, reason: "test" });
  await note(provider.observe("cloud"));
  await note(provider.observe("metadata"));
  for (const effect of [{ kind: "lost-reply" }, { kind: "truncated" }, { kind: "html" }, { kind: "hang" }] as const) {
    cloud.faults.add({ action: "AssignPrivateIpAddresses", effect });
    await execute({ kind: "add-blocks", interfaceId: PRIMARY, subnetId: NODE_SUBNET, count: 1, reason: "test" });
    cloud.faults.add({ action: "DescribeNetworkInterfaces", effect });
    await note(provider.observe("cloud"));
  }
  cloud.changeSettings({ metadataOutage: "hang" });
  await note(provider.observe("metadata"));
  return told;
}

describe("the production provider over the direct access", () => {
  it("does, says and reports what it does over the real SDK", async () => {
    const [real, direct] = [side("real"), side("direct")];
    const [one, other] = [await life(real), await life(direct)];
    expect(other.length).toBe(one.length);
    for (const [index, told] of other.entries()) expect(told, `answer ${index}`).toEqual(one[index]);
    expect(logOf(direct)).toEqual(logOf(real));
    expect(direct.telemetry.calls).toEqual(real.telemetry.calls);
    expect(direct.telemetry.events).toEqual(real.telemetry.events);
    expect(other[0]).toMatchObject({ accountId: "123456789012", instanceId: INSTANCE });
    expect(other.at(-1)).toMatchObject({ code: "ENID_METADATA_UNREACHABLE" });
  }, 30_000);

  it("gives the same interfaces as long as metadata shows the same and EC2 says nothing new", async () => {
    const { cloud, clock, provider, run } = side("direct");
    await run(provider.resolve(SELECTION));
    await run(provider.observe("cloud"));
    const looks: Observation[] = [];
    const look = async () => {
      await clock.advance(60_000);
      looks.push(await run(provider.observe("metadata")));
    };
    for (let count = 0; count < 12; count++) await look();
    for (const { interfaces } of looks) expect(interfaces).toBe(looks[0]?.interfaces);
    expect(looks[1]?.startedAtMs).toBe((looks[0]?.startedAtMs ?? 0) + 60_000);
    await run(provider.observe("cloud"));
    await look();
    expect(looks.at(-1)?.interfaces).not.toBe(looks[0]?.interfaces);
    expect(looks.at(-1)?.interfaces).toEqual(looks[0]?.interfaces);
    cloud.foreignCall("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: ["10.64.0.99"] });
    await look();
    expect(looks.at(-1)?.interfaces).toMatchObject([{ id: PRIMARY, addresses: ["10.64.0.99"] }]);
    cloud.changeMetadataView(INSTANCE, { missing: [PRIMARY] });
    await look();
    expect(looks.at(-1)?.interfaces).toEqual([]);
  });
});
