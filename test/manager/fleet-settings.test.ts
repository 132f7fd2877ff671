import { describe, expect, it } from "vitest";
import { nodeDocument } from "../../src/cli/fleet/node-document.ts";
import { FleetNode, type FleetStore, MemoryServer, memoryFleetStore } from "../../src/fleet/index.ts";
import type { FleetProfile } from "../../src/manager/index.ts";
import { seededRandom } from "../support/virtual-clock.ts";
import { configuration, createLab, type Lab } from "./harness.ts";

type Put = Omit<FleetProfile, "setAtMs">;

/** A fleet of one node beside an operator, and a manager that runs in it. */
function createFleetLab() {
  const lab = createLab();
  const server = new MemoryServer({ clock: lab.clock });
  const operator = memoryFleetStore(server, "operator", lab.clock);
  const fleetNode = () => {
    const node = new FleetNode({
      store: memoryFleetStore(server, "node", lab.clock),
      clock: lab.clock,
      random: seededRandom(1),
      telemetry: { event: (event) => lab.events.push(event) },
      settings: { name: "default", reservedShare: 0, buckets: {} },
      servers: ["redis:6379"],
      nodeName: "node-1",
    });
    node.identified({ nodeId: "i-1", nodeName: "n", accountId: "1", region: "r", zone: "z" });
    return node;
  };
  return { ...lab, server, operator, fleetNode };
}

async function put(store: FleetStore, ...profiles: Put[]): Promise<void> {
  for (const profile of profiles) await store.profiles.put(profile, (await store.profiles.list()).revision);
}

async function started(lab: ReturnType<typeof createFleetLab>, more: { ipam?: object; eni?: object } = {}) {
  const fleet = lab.fleetNode();
  const running = lab.manager("boot-1", { fleet, nodeLabels: { team: "web" } });
  await running.start({ kind: "valid", configuration: configuration(more) });
  fleet.registry.start(() =>
    nodeDocument(running.status(), { version: "1", hostName: "n", calls: {}, nowMs: lab.clock.nowMs() }),
  );
  await lab.clock.advance(15_000);
  return { fleet, running };
}

const degraded = (running: ReturnType<Lab["manager"]>) => running.status().degraded.map(({ name }) => name);
const WEB = { name: "web", match: { labels: { team: "web" } }, values: { "cooling-seconds": 61 } };

describe("the fleet's settings on a node", () => {
  it("come with the registry, below the file, and those of other nodes do not", async () => {
    const lab = createFleetLab();
    const { running } = await started(lab, { ipam: { "pre-allocate": 8 } });
    await put(
      lab.operator,
      { name: "default", match: {}, values: { "pre-allocate": 3, "cooling-seconds": 60, "add-wait-seconds": 7 } },
      WEB,
      { name: "db", match: { labels: { team: "db" } }, values: { "min-allocate": 50 } },
      { name: "small", match: { instanceTypes: ["m5.*"] }, values: { "max-above-watermark": 1 } },
      { name: "big", match: { instanceTypes: ["x*.metal"] }, values: { "max-above-watermark": 9 } },
    );
    await lab.clock.advance(15_000);
    const { values, origins } = running.status().settings;
    expect(values).toMatchObject({
      "pre-allocate": 8,
      "cooling-seconds": 61,
      "add-wait-seconds": 7,
      "min-allocate": 0,
      "max-above-watermark": 1,
    });
    expect(origins["cooling-seconds"]).toEqual({ kind: "fleet", profile: "web" });
    expect(lab.events.map(({ name }) => name)).toContain("fleet-profiles-applied");

    await running.setOverride("cooling-seconds=5");
    expect(running.status().settings.values["cooling-seconds"]).toBe(5);
    await running.unsetOverride("cooling-seconds");
    expect(running.status().settings.values["cooling-seconds"]).toBe(61);

    await lab.operator.profiles.remove("web", (await lab.operator.profiles.list()).revision);
    await lab.clock.advance(15_000);
    expect(running.status().settings.values["cooling-seconds"]).toBe(60);
  });

  it("stay through a restart without the fleet, and without a file", async () => {
    const lab = createFleetLab();
    await put(lab.operator, WEB);
    const { running } = await started(lab);
    expect(running.status().settings.values["cooling-seconds"]).toBe(61);
    await running.stop(0);
    lab.server.down(true);
    const again = lab.manager("boot-2", { fleet: lab.fleetNode() });
    await again.start({ kind: "none" });
    expect(again.status().settings.values["cooling-seconds"]).toBe(61);
    expect(again.status().settings.origins["cooling-seconds"]).toEqual({ kind: "fleet", profile: "web" });
  });

  it("are refused as a whole when they go with nothing here; those of before stay, until they fit", async () => {
    const lab = createFleetLab();
    await put(lab.operator, WEB);
    const { running } = await started(lab, { ipam: { "min-allocate": 9 } });
    await put(lab.operator, { ...WEB, values: { "cooling-seconds": 99, "max-allocate": 4 } });
    await lab.clock.advance(15_000);
    expect(running.status().settings.values).toMatchObject({ "cooling-seconds": 61, "max-allocate": 0 });
    const [state] = running.status().degraded;
    expect(state?.name).toBe("fleet-profiles-rejected");
    expect(state?.error.message).toMatch(/max-allocate 4 \(fleet profile web\) is below min-allocate 9 \(file /);
    expect(lab.events.filter(({ name }) => name === "fleet-profiles-rejected")).toHaveLength(1);

    await running.offerConfiguration({ kind: "valid", configuration: configuration({ ipam: { "min-allocate": 2 } }) });
    await lab.clock.advance(35_000);
    expect(running.status().settings.values).toMatchObject({ "cooling-seconds": 99, "max-allocate": 4 });
    expect(degraded(running)).toEqual([]);
  });

  it("keep a file out that contradicts them, as an override does", async () => {
    const lab = createFleetLab();
    await put(lab.operator, { ...WEB, values: { "max-allocate": 20 } });
    const { running } = await started(lab);
    await running.offerConfiguration({ kind: "valid", configuration: configuration({ ipam: { "min-allocate": 30 } }) });
    expect(degraded(running)).toEqual(["configuration-rejected"]);
    expect(running.status().settings.values).toMatchObject({ "min-allocate": 0, "max-allocate": 20 });
  });

  it("give way to the first file of a node, which has no other to go on with", async () => {
    const lab = createFleetLab();
    await lab.store.commit([
      { kind: "profiles-put", profiles: [{ ...WEB, values: { "max-allocate": 4 }, setAtMs: 1 }] },
    ]);
    const running = lab.manager("boot-1", {});
    await running.start({ kind: "valid", configuration: configuration({ ipam: { "min-allocate": 9 } }) });
    expect(running.status().settings.values).toMatchObject({ "min-allocate": 9, "max-allocate": 0 });
    expect(degraded(running)).toContain("fleet-profiles-rejected");
  });

  it("go back to a store that lost them", async () => {
    const lab = createFleetLab();
    await put(lab.operator, WEB);
    const { running } = await started(lab);
    const before = await lab.operator.profiles.list();
    lab.server.loseEverything();
    expect(await lab.operator.profiles.list()).toEqual({ revision: 0, profiles: [] });
    await lab.clock.advance(15_000);
    expect(await lab.operator.profiles.list()).toEqual(before);
    expect(running.status().settings.values["cooling-seconds"]).toBe(61);
    expect(lab.events.map(({ name }) => name)).toContain("fleet-profiles-restored");
  });

  it("are in force when the disk takes them, not before", async () => {
    const lab = createFleetLab();
    const { running } = await started(lab);
    lab.store.full = true;
    await put(lab.operator, WEB);
    await lab.clock.advance(15_000);
    expect(running.status().settings.values["cooling-seconds"]).toBe(30);
    lab.store.full = false;
    await lab.clock.advance(35_000);
    expect(running.status().settings.values["cooling-seconds"]).toBe(61);
  });
});
