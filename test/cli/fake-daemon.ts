import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fastify from "fastify";
import { onTestFinished } from "vitest";
import type { AdoptionText } from "../../src/adoption/index.ts";
import { controlRoutes } from "../../src/cli/control-routes.ts";
import { EnidError } from "../../src/errors.ts";
import type { AdoptionReport, ManagerControl, PlanReport } from "../../src/manager/index.ts";
import { NOON_MS, settings, statusReport } from "../telemetry/status-report.ts";

export const PLAN: PlanReport = {
  plan: {
    steps: [
      {
        kind: "add-blocks",
        interfaceId: "eni-a",
        subnetId: "subnet-a",
        count: 4,
        reason: "4 of 4 go on eni-a: it has 5 free slots",
      },
    ],
    needed: 4,
    surge: 0,
    wanted: 4,
    planned: 4,
    explanation: ["needed 4: pre-allocate asks for 8 free addresses, 4 are", "4 of 4 go on eni-a: it has 5 free slots"],
  },
  waiting: 0,
  calls: [
    [
      {
        action: "AssignPrivateIpAddresses",
        parameters: { NetworkInterfaceId: "eni-a", SecondaryPrivateIpAddressCount: 4 },
      },
    ],
  ],
  error: undefined,
};

const LEASE = {
  address: "10.0.1.7",
  attachment: { network: "cilium", containerId: "0123456789abcdef", interfaceName: "eth0" },
  pod: { namespace: "shop", name: "cart-0", uid: "u-1" },
  leasedAtMs: NOON_MS,
};

/** A manager that answers with fixed reports and records what it is told. */
export class FakeManager implements ManagerControl {
  readonly told: string[] = [];
  report = statusReport();

  status() {
    return this.report;
  }

  dryRun(waiting: number) {
    return { ...PLAN, waiting };
  }

  explain(subject: string) {
    if (subject !== "shop/cart-0") throw new EnidError("ENID_NOTHING_KNOWN", { subject });
    return {
      subject,
      answer: "shop/cart-0 has 10.0.1.7 since its ADD.",
      because: ["eni-a was the fullest usable interface"],
      leases: [{ ...LEASE, interfaceId: "eni-a", subnetId: "subnet-a" }],
      address: undefined,
      history: [{ atMs: NOON_MS, what: "ADD answered with 10.0.1.7" }],
    };
  }

  leases() {
    return [LEASE];
  }

  async adoptLeases({ from, file }: AdoptionText, dryRun: boolean): Promise<AdoptionReport> {
    return { from, file, dryRun, leases: [], interfaces: [], notes: [], adopting: [] };
  }

  async setOverride(assignment: string) {
    if (assignment.startsWith("min-allocate=")) {
      const values = { name: "min-allocate", value: assignment.slice(13), allowed: "a whole number" };
      throw new EnidError("ENID_SETTING_INVALID", values);
    }
    this.told.push(`set ${assignment}`);
    return settings();
  }

  async unsetOverride(name: string) {
    this.told.push(`unset ${name}`);
    return settings();
  }
}

/** A folder of the test's own, removed at its end. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "enid-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The control routes over a fake manager on a real Unix socket. */
export async function startFakeDaemon(): Promise<{ socket: string; manager: FakeManager }> {
  const socket = path.join(await temporaryFolder(), "enid.sock");
  const manager = new FakeManager();
  const server = fastify();
  const events = [{ name: "started", level: "info" as const, message: "state loaded", atMs: NOON_MS }];
  await server.register(controlRoutes({ manager, version: "9.9.9", events: (limit) => events.slice(-limit) }));
  await server.listen({ path: socket });
  onTestFinished(() => server.close());
  return { socket, manager };
}
