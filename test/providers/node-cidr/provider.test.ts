import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../../src/adapters/index.ts";
import type { EnidError } from "../../../src/errors.ts";
import type { EnidEvent, Intent, StepFailure } from "../../../src/manager/index.ts";
import { createNodeCidrProvider, linuxMachine, type Machine } from "../../../src/providers/node-cidr/index.ts";

const ID = "3d1219c7c4c5404aaa1f6d2a48adfda4";
const environment = { PATH: process.env.PATH };

function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "enid-machine-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text, { mode: 0o755 });
  return path;
}

describe("the identity of a machine", () => {
  it("is what the first file with an id says; an image whose first boot has not ended has none", async () => {
    const path = folder({ first: "uninitialized\n", second: `${ID}\n` });
    const identityFiles = ["missing", "first", "second"].map((name) => join(path, name));
    expect(await linuxMachine({ environment, identityFiles }).identity()).toBe(ID);
    expect(await linuxMachine({ environment, identityFiles: identityFiles.slice(0, 2) }).identity()).toBeUndefined();
  });

  it("is not shown itself, and another machine is another node", async () => {
    const of = (id: string) => provider({ identity: async () => id }).identify();
    const facts = await of(ID);
    expect(facts.instanceId).toMatch(/^node-[0-9a-f]{32}$/);
    expect(facts.instanceId).not.toContain(ID);
    expect(await of(ID)).toEqual(facts);
    expect((await of(`${ID.slice(1)}0`)).instanceId).not.toBe(facts.instanceId);
  });
});

it("a machine without an id is known by its name, and that is told", async () => {
  const events: EnidEvent[] = [];
  const own = provider({ identity: async () => undefined }, events);
  const facts = await own.identify();
  expect(await own.identify()).toBe(facts);
  expect(facts.instanceId).toMatch(/^node-[0-9a-f]{32}$/);
  expect(events.map(({ name }) => name)).toEqual(["machine-id-missing"]);
});

describe("the addresses of a machine", () => {
  it("are those of all devices, with the real ip", async () => {
    const { addresses, partly } = await linuxMachine({ environment }).addresses();
    expect(partly).toBeUndefined();
    expect(addresses).toContainEqual({ address: "127.0.0.1", device: "lo" });
    expect(addresses).toContainEqual({ address: "::1", device: "lo" });
  });

  it.each([
    ["that is not there", "none", ""],
    ["that fails", "ip", "#!/bin/sh\necho no netlink >&2\nexit 2\n"],
    ["that prints what is no JSON", "ip", "#!/bin/sh\necho lo: 127.0.0.1\n"],
    ["that prints another JSON", "ip", '#!/bin/sh\necho "{}"\n'],
  ])("come from the library where there is only an ip %s, and that is told once", async (_what, name, script) => {
    const file = join(folder({ ip: script }), name);
    const events: EnidEvent[] = [];
    const machine = linuxMachine({ environment, command: [file, "-json", "address"] });
    const own = provider(machine, events);
    const first = await own.observe("cloud");
    expect(first).toMatchObject({ complete: true, interfaces: [{ id: "node", attached: true }] });
    expect(first.nodeAddresses).toContainEqual({ address: "127.0.0.1", device: "lo" });
    await own.observe("metadata");
    expect(events.map((event) => event.name)).toEqual(["node-addresses-partly"]);
  });
});

it("carries out nothing", async () => {
  const intent: Intent = {
    id: "intent-1",
    step: { kind: "remove-interface", interfaceId: "node", reason: "test" },
    openedAtMs: 0,
    before: [],
    securityGroups: [],
    deleteOnTermination: true,
  };
  const own = provider({});
  for (const act of [own.execute(intent, async () => {}), own.settle(intent, "undo", async () => {})]) {
    const error = await act.catch((thrown: EnidError) => thrown);
    expect(error).toMatchObject({ code: "ENID_REFUSED" });
    expect((error as EnidError).details as StepFailure).toMatchObject({ effect: "none" });
  }
});

function provider(machine: Partial<Machine>, events: EnidEvent[] = []) {
  const telemetry = { event: (event: EnidEvent) => events.push(event), cloudCall() {}, served() {} };
  const whole: Machine = {
    identity: async () => ID,
    hostname: () => "rack-7",
    addresses: async () => ({ addresses: [] }),
    ...machine,
  };
  return createNodeCidrProvider({ clock: systemClock, telemetry, machine: whole });
}
