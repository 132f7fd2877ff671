import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import { hostRoutesError } from "../../../src/handoff/routes/errors.ts";
import type { Output } from "../../../src/handoff/routes/host.ts";
import { createHostRoutes, linuxHost } from "../../../src/handoff/routes/index.ts";
import { isReason, type Watch } from "../../../src/handoff/routes/notices.ts";
import type { EnidEvent, ReachPicture } from "../../../src/manager/ports/index.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { MACS, pictureOf, pods, reachInterface } from "./node-namespace.ts";
import { link, OK, scriptedHost } from "./scripted-host.ts";

function lab(first: ReachPicture = pictureOf()) {
  const clock = new VirtualClock();
  const host = scriptedHost();
  const events: EnidEvent[] = [];
  const state = { picture: first, told: 0 };
  const telemetry = { event: (event: EnidEvent) => void events.push(event) };
  const random = { fraction: () => 0.5, id: () => "id" };
  const reach = createHostRoutes({ clock, random, telemetry, host });
  reach.start(
    () => state.picture,
    () => {
      state.told++;
    },
  );
  return { clock, host, events, state, reach };
}

/** Resolves with what became of it as soon as that is known. */
function outcome(promise: Promise<void>): { now: "waits" | "served" | EnidError } {
  const seen: { now: "waits" | "served" | EnidError } = { now: "waits" };
  promise.then(
    () => {
      seen.now = "served";
    },
    (error) => {
      seen.now = error;
    },
  );
  return seen;
}

const rulesIn = (batch = "") => batch.split("\n").filter((line) => line.startsWith("rule add pref 111")).length;

describe("ADDs and batches", () => {
  it("serves the first at once, and those that come while it runs together", async () => {
    const { clock, host, reach } = lab();
    await clock.drain();
    host.batches.length = 0;
    const running = Promise.withResolvers<Output>();
    host.answer = () => running.promise;
    const [first, ...others] = pods(10).map((pod) => [pod]);
    const one = outcome(reach.ready(first ?? []));
    await clock.drain();
    expect(host.batches.map(rulesIn)).toEqual([1]);
    const rest = others.slice(0, 5).map((pod) => outcome(reach.ready(pod)));
    host.answer = () => OK;
    running.resolve(OK);
    await clock.drain();
    expect(one.now).toBe("served");
    expect(host.batches).toHaveLength(1);
    // More of the burst, before its next batch, which goes when none came for a while.
    await clock.advance(10);
    rest.push(...others.slice(5).map((pod) => outcome(reach.ready(pod))));
    await clock.advance(10);
    expect(host.batches).toHaveLength(1);
    await clock.advance(10);
    expect(rest.map(({ now }) => now)).toEqual(Array(9).fill("served"));
    expect(host.batches.map(rulesIn)).toEqual([1, 9]);
  });

  it("makes one that comes after another wait for nothing", async () => {
    const { clock, host, reach } = lab();
    await clock.drain();
    for (const pod of pods(5)) {
      const one = outcome(reach.ready([pod]));
      await clock.drain();
      expect(one.now).toBe("served");
      await clock.advance(60);
    }
    expect(host.batches.slice(1).map(rulesIn)).toEqual([1, 1, 1, 1, 1]);
  });

  it("does not wait for the end of a burst that has none", async () => {
    const { clock, host, reach } = lab();
    await clock.drain();
    const answers = [outcome(reach.ready(pods(1)))];
    await clock.drain();
    for (let at = 1; at <= 40; at++) {
      answers.push(outcome(reach.ready(pods(1, at))));
      await clock.advance(10);
    }
    const served = () => answers.filter(({ now }) => now === "served").length;
    // The first, those of 60 ms, and the others wait for theirs.
    expect(host.batches.slice(1).map(rulesIn)).toEqual([1, 6]);
    expect(served()).toBe(7);
    await clock.advance(50);
    expect(served()).toBe(41);
    expect(host.batches).toHaveLength(4);
  });

  it("takes the rules of leases that end one after the other away together, within a second", async () => {
    const { clock, host, state, reach } = lab(pictureOf({ addresses: pods(20) }));
    await clock.drain();
    const before = host.batches.length;
    for (let left = 20; left >= 0; left--) {
      state.picture = pictureOf({ addresses: pods(left) });
      reach.changed();
      await clock.advance(20);
    }
    expect(host.batches).toHaveLength(before);
    await clock.advance(150);
    expect(host.batches).toHaveLength(before + 1);
    expect(
      host.batches
        .at(-1)
        ?.split("\n")
        .filter((line) => line.startsWith("rule del")),
    ).toHaveLength(40);
    for (let at = 0; at < 100; at++) {
      state.picture = pictureOf({ addresses: pods(1, at) });
      reach.changed();
      await clock.advance(20);
    }
    expect(host.batches.length - before - 1).toBeGreaterThanOrEqual(3);
  });

  it("counts a rule that is there already as set, and fails only the ADD whose rule is refused", async () => {
    const { clock, host, reach } = lab();
    await clock.drain();
    host.answer = (input) => {
      const lines = input.split("\n");
      const at = (text: string) => lines.findIndex((line) => line.includes(text)) + 1;
      const said = [
        [at("from 10.0.1.64 "), "RTNETLINK answers: File exists"],
        [at("from 10.0.1.65 "), "RTNETLINK answers: No buffer space available"],
      ];
      return { code: 1, stdout: "", stderr: said.map(([line, why]) => `${why}\nCommand failed -:${line}\n`).join("") };
    };
    const answers = pods(3).map((pod) => outcome(reach.ready([pod])));
    await clock.drain();
    expect(answers.map(({ now }) => (typeof now === "string" ? now : now.code))).toEqual([
      "served",
      "ENID_HOST_ROUTES",
      "served",
    ]);
    expect(answers[1]?.now).toMatchObject({ message: expect.stringContaining("No buffer space available") });
    expect(reach.trouble()?.message).toContain("No buffer space available");
    host.answer = () => OK;
    const again = outcome(reach.ready(pods(2)));
    await clock.advance(40);
    expect([again.now, reach.trouble()]).toEqual(["served", undefined]);
  });

  it("fails after 8 s when nothing answers, and when enid stops", async () => {
    const { clock, host, reach } = lab();
    await clock.drain();
    host.answer = () => new Promise(() => {});
    const late = outcome(reach.ready(pods(1)));
    await clock.advance(7_999);
    expect(late.now).toBe("waits");
    await clock.advance(1);
    expect(late.now).toMatchObject({ code: "ENID_HOST_ROUTES" });
    const stopped = outcome(reach.ready(pods(1)));
    void reach.stop();
    await clock.drain();
    expect(stopped.now).toMatchObject({ message: expect.stringContaining("enid stops") });
    await expect(reach.ready(pods(1))).rejects.toMatchObject({ code: "ENID_HOST_ROUTES" });
  });

  it("says which interface has no link, to the ADD after its limit and to the status after a while", async () => {
    const { clock, host, reach } = lab(pictureOf({ addresses: pods(1) }));
    host.links = [link("eth0", MACS.primary)];
    const waiting = outcome(reach.ready(pods(1)));
    await clock.advance(7_900);
    expect([waiting.now, reach.trouble()]).toEqual(["waits", undefined]);
    await clock.advance(200);
    expect(waiting.now).toMatchObject({ message: expect.stringContaining(`no link has the MAC ${MACS.second}`) });
    await clock.advance(16_000);
    expect(reach.trouble()?.message).toContain(`no link has the MAC ${MACS.second}`);
    host.links = [link("eth0", MACS.primary), link("eth1", MACS.second)];
    await clock.advance(16_000);
    expect(reach.trouble()).toBeUndefined();
  });

  it("fails an ADD at once when two links have the MAC", async () => {
    const { clock, host, reach } = lab();
    host.links.push(link("eth7", MACS.second));
    const one = outcome(reach.ready(pods(1)));
    await clock.drain();
    expect(one.now).toMatchObject({ message: expect.stringContaining("eth1 and eth7") });
    expect(reach.trouble()?.message).toContain("eth1 and eth7");
  });

  it("runs nothing on-premises", async () => {
    const home = pictureOf({ primaryInterfaceId: "", interfaces: [reachInterface({ id: "node", mac: "" })] });
    const { clock, host, reach } = lab(home);
    await reach.ready([{ address: "10.1.0.5", interfaceId: "node" }]);
    reach.changed();
    await clock.advance(60_000);
    expect([host.count, host.monitors, reach.trouble()]).toEqual([0, 0, undefined]);
    expect(reach.report()).toMatchObject({ devices: [], rules: 0 });
  });
});

describe("what fails", () => {
  it("marks without nft: ADDs are served, the status tells, and nft is not asked with each of them", async () => {
    const { clock, host, state, reach } = lab();
    host.answerNft = () => {
      throw hostRoutesError("this node", "the program nft is not installed");
    };
    await clock.drain();
    expect(reach.trouble()?.message).toContain("nft is not installed");
    expect(state.told).toBe(1);
    const served = pods(5).map((pod) => outcome(reach.ready([pod])));
    await clock.advance(200);
    expect(served.map(({ now }) => now)).toEqual(Array(5).fill("served"));
    expect(host.nft).toHaveLength(1);
    host.answerNft = () => OK;
    await clock.advance(16_000);
    expect(host.nft).toHaveLength(2);
    expect([reach.trouble(), state.told]).toEqual([undefined, 2]);
  });

  it("a reading that fails: ADDs hear why, and it is tried again after a second", async () => {
    const { clock, host, reach } = lab();
    await clock.drain();
    host.answerReading = () => ({ code: 255, stdout: "", stderr: "Cannot open netlink socket\n" });
    await clock.advance(16_000);
    expect(reach.trouble()?.message).toContain("Cannot open netlink socket");
    await expect(reach.ready(pods(1))).rejects.toMatchObject({ code: "ENID_HOST_ROUTES" });
    host.answerReading = () => undefined;
    await clock.advance(1_000);
    expect(reach.trouble()).toBeUndefined();
  });

  it("a monitor that ends is begun again, ever later, and what it could have missed is read", async () => {
    const { clock, host, events } = lab();
    await clock.drain();
    expect([host.monitors, host.readings]).toEqual([1, 1]);
    host.monitor?.ended("it ended with 1");
    await clock.advance(499);
    expect(host.monitors).toBe(1);
    await clock.advance(1);
    expect(host.monitors).toBe(2);
    await clock.advance(200);
    expect(host.readings).toBe(2);
    host.monitor?.ended("it ended with 1");
    await clock.advance(999);
    expect(host.monitors).toBe(2);
    await clock.advance(1);
    expect(host.monitors).toBe(3);
    expect(events.filter(({ name }) => name === "host-routes-monitor-ended")).toHaveLength(2);
  });

  it("reads nothing again for the rules that it takes away itself, but for those that somebody else does", async () => {
    const { clock, host, state, reach } = lab(pictureOf({ addresses: pods(2) }));
    await clock.drain();
    const [gone, kept] = state.picture.addresses;
    // The kernel tells while `ip` still runs.
    host.answer = (input) => {
      if (input.includes("rule del")) host.monitor?.line(`[RULE]Deleted 111:\tfrom ${gone?.address} lookup 11`);
      return OK;
    };
    state.picture = pictureOf({ addresses: kept === undefined ? [] : [kept] });
    reach.changed();
    await clock.advance(5_000);
    expect(host.batches.at(-1)).toContain("rule del");
    expect(host.readings).toBe(1);
    host.monitor?.line(`[RULE]Deleted 111:\tfrom ${kept?.address} lookup 11`);
    await clock.advance(500);
    expect(host.readings).toBe(2);
  });

  it("without a monitor everything is looked at every few seconds", async () => {
    const { clock, host } = lab();
    host.follow = (_program, _args, { ended }) => clock.after(0, () => ended("it ended with 1"));
    await clock.advance(120_000);
    const before = host.readings;
    await clock.advance(29_000);
    expect(host.readings - before).toBeGreaterThanOrEqual(8);
  });
});

describe("a program", () => {
  it("that hangs is ended after 5 s", async () => {
    const clock = new VirtualClock();
    const host = linuxHost({ clock, prefix: ["sh", "-c", "sleep 60"] });
    const hanging = outcome(host.run("ip", []).then(() => {}));
    await clock.advance(4_999);
    expect(hanging.now).toBe("waits");
    await clock.advance(1);
    expect(hanging.now).toMatchObject({ message: expect.stringContaining("did not end within 5000 ms") });
  });

  it("and a setting that are not there are told from those that fail", async () => {
    const clock = new VirtualClock();
    const host = linuxHost({ clock });
    expect(await host.readSetting("ipv4/conf/lo/rp_filter")).toMatch(/^[012]$/);
    expect(await host.readSetting("ipv4/conf/no-such-device/rp_filter")).toBeUndefined();
    await expect(host.writeSetting("ipv4/conf/no-such-device/rp_filter", "0")).rejects.toMatchObject({
      code: "ENID_HOST_ROUTES",
    });
  });
});

describe("a line of ip monitor", () => {
  const watch: Watch = {
    macs: new Set([MACS.second]),
    devices: new Set(["eth0", "eth1"]),
    subnets: new Set(["10.0.1.0/24"]),
    addresses: new Set(["10.0.1.64"]),
  };
  it.each([
    ["[RULE]Deleted 111:\tfrom 10.0.1.64 lookup 11", true],
    ["[RULE]Deleted 109:\tfrom all fwmark 0x80/0x80 lookup main", true],
    ["[RULE]111:\tfrom 10.0.1.64 lookup 11", false],
    ["[RULE]Deleted 111:\tfrom 10.0.1.99 lookup 11", false],
    [`[LINK]3: ens6@if3: <BROADCAST,MULTICAST> mtu 1500 \\    link/ether ${MACS.second} brd ff:ff:ff:ff:ff:ff`, true],
    ["[LINK]9: lxc1@if2: <UP> mtu 1500 \\    link/ether 0a:00:00:00:00:09 brd ff:ff:ff:ff:ff:ff", false],
    ["[ADDR]Deleted 3: eth1    inet 10.0.1.10/24 scope global eth1", true],
    ["[ADDR]9: lxc1    inet6 fe80::1/64 scope link", false],
    ["[ROUTE]Deleted default via 10.0.1.1 dev eth1 table 11 proto kernel", true],
    ["[ROUTE]10.0.1.0/24 dev eth1 proto kernel scope link src 10.0.1.10", true],
    ["[ROUTE]10.0.1.64 dev lxc1 scope link", false],
    ["[ROUTE]Deleted local 10.0.1.10 dev eth1 table local proto kernel", false],
    ["[ROUTE]default via fe80::1 dev eth0 proto ra metric 1024 expires 1800sec pref medium", false],
    ["[NETCONF]inet eth1 rp_filter strict ", true],
    ["[NETCONF]inet all rp_filter strict ", true],
    ["[NETCONF]inet lxc1 forwarding off rp_filter strict", false],
    ["netlink receive error No buffer space available (105)", true],
  ])("%s", (line, reason) => {
    expect(isReason(line, watch)).toBe(reason);
  });
});
