import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess, ROOT } from "../../scripts/lab/daemon.ts";
import { callDaemon, callPlugin, labPods } from "../../scripts/lab/plugin.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { loadModel, type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";

const INSTANCE = "i-0a100000000000001";
const CONFIGURATION_FILE = join(ROOT, "scripts", "story", "enid.conflist");
const MODEL_FILE = join(ROOT, "scripts", "story", "vpc.json");

let folder: string;
let simulator: RunningSimulator;
let daemon: DaemonProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "enid-m5-"));
  simulator = await startSimulator({
    description: loadModel(JSON.parse(readFileSync(MODEL_FILE, "utf8")), MODEL_FILE),
    speed: 4,
  });
  daemon = new DaemonProcess({
    folder,
    configurationFile: CONFIGURATION_FILE,
    environment: simulator.environment(INSTANCE),
  });
});

afterEach(async () => {
  await daemon.kill();
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("a real daemon on an m5.large with pre-allocate 8 and first-interface-index 0", () => {
  it("brings 27 pods to addresses with two assigns on the primary interface and three mutating calls per added one", async () => {
    daemon.start();
    await daemon.until<StatusReport>("/v1/status", ({ ready, intents }) => ready && intents.length === 0);
    const configuration = readFileSync(CONFIGURATION_FILE, "utf8");
    const answers = await Promise.all(
      labPods(27).map((pod) => {
        const call = { verb: "ADD", containerId: pod.containerId, pod, configuration, environment: {} } as const;
        return callDaemon(call, daemon.socket);
      }),
    );
    expect(answers.map(({ error }) => error).filter((error) => error !== undefined)).toEqual([]);
    expect(new Set(answers.map(({ address }) => address)).size).toBe(27);

    const primary = simulator.cloud.truth().interfaces.find(({ attachment }) => attachment?.deviceIndex === 0);
    const mutating = simulator.cloud.log.calls().filter(({ isMutating }) => isMutating);
    const onPrimary = mutating.filter(({ parameters }) => parameters.NetworkInterfaceId === primary?.id);
    expect(onPrimary.map(({ action }) => action)).toEqual(["AssignPrivateIpAddresses", "AssignPrivateIpAddresses"]);
    expect(mutating.map(({ action }) => action).sort()).toEqual([
      "AssignPrivateIpAddresses",
      "AssignPrivateIpAddresses",
      "AttachNetworkInterface",
      "AttachNetworkInterface",
      "CreateNetworkInterface",
      "CreateNetworkInterface",
      "ModifyNetworkInterfaceAttribute",
      "ModifyNetworkInterfaceAttribute",
    ]);

    // One pod more is refused at once with the figures, and costs no call.
    const before = simulator.cloud.log.calls().length;
    const [extra] = labPods(1, 99);
    if (extra === undefined) throw new Error("no pod");
    const refused = await callPlugin({
      verb: "ADD",
      containerId: extra.containerId,
      pod: extra,
      configuration,
      environment: daemon.clientEnvironment,
    });
    expect(refused.error).toMatchObject({
      code: 11,
      msg: expect.stringContaining("all 27 pod addresses that m5.large can hold are used (27)"),
    });
    expect(simulator.cloud.log.calls().length).toBe(before);
  }, 60_000);

  it("says in the status which subnets it saw when none matches, and uses none of them", async () => {
    const tagged = simulator.cloud.truth().subnets.filter(({ tags }) => tags["enid.io/pods"] === "true");
    simulator.cloud.call("DeleteTags", { ResourceId: tagged.map(({ id }) => id), Tag: [{ Key: "enid.io/pods" }] });
    daemon.start();
    const status = await daemon.until<StatusReport>("/v1/status", ({ degraded }) =>
      degraded.some(({ name }) => name === "no-subnet"),
    );
    const error = status.degraded.find(({ name }) => name === "no-subnet")?.error;
    expect(error?.code).toBe("ENID_SUBNET_NO_MATCH");
    for (const { id } of simulator.cloud.truth().subnets) expect(error?.message).toContain(id);
    expect(status.ready).toBe(false);
    expect(
      simulator.cloud.log
        .calls()
        .filter(({ isMutating, caller, action }) => isMutating && action !== "DeleteTags" && caller === "client"),
    ).toEqual([]);
  }, 30_000);
});
