import { describe, expect, it } from "vitest";
import { runCli } from "../../scripts/lab/daemon.ts";
import { nodeLab, PRIMARY } from "./node-lab.ts";

const ACTION = "AssignPrivateIpAddresses";

describe("a node whose role lacks an action", () => {
  it("hears from the daemon's status and from enid check permissions what is missing, until it is granted", async () => {
    const lab = await nodeLab({ instanceType: "m5.large", ipam: { "min-allocate": 4, "pre-allocate": 4 } });
    const deny = (deniedActions: readonly string[]) =>
      fetch(`${lab.simulator.endpoint}/_simulator/accounts/111122223333`, {
        method: "PATCH",
        body: JSON.stringify({ deniedActions }),
      }).then(({ status }) => expect(status).toBe(200));
    const check = () => runCli(["check", "permissions", "--config", lab.configurationFile], lab.environment);

    await deny([ACTION]);
    lab.daemon.start();
    const status = await lab.until(({ degraded }) => degraded.some(({ name }) => name === "ec2-unauthorized"));
    expect(status.ready).toBe(false);
    expect(status.degraded.find(({ name }) => name === "ec2-unauthorized")?.error.message).toContain(ACTION);
    expect(await lab.enid("status")).toMatch(new RegExp(`ec2-unauthorized for .*${ACTION}`));

    const denied = await check();
    expect([denied.code, denied.stderr]).toEqual([1, ""]);
    expect(denied.stdout).toMatch(new RegExp(`^ +denied +${ACTION} .*${PRIMARY}\\n +statement \\w+ .*is missing`, "m"));
    expect(denied.stdout).toMatch(/^\d+ actions: \d+ allowed, 1 denied$/m);

    await deny([]);
    const granted = await check();
    expect([granted.code, granted.stderr]).toEqual([0, ""]);
    // A start knows nothing of the pause after the refusal.
    expect(await lab.daemon.stop()).toBe(0);
    expect((await lab.start()).degraded).toEqual([]);
    const trials = lab.mutations().filter(({ hadEffect }) => hadEffect);
    expect(trials.map(({ action }) => action)).toEqual([ACTION]);
  }, 120_000);
});
