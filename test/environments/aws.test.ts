import { expect } from "vitest";
import { makeAwsEnvironment } from "./aws-environment.ts";
import { until } from "./commands.ts";
import { environmentContract, withStreams } from "./contract.ts";

/** Of every network namespace. */
const SYSTEM_RULES = [
  "ipv4 0: from all lookup local",
  "ipv4 32766: from all lookup main",
  "ipv4 32767: from all lookup default",
  "ipv6 0: from all lookup local",
  "ipv6 32766: from all lookup main",
];

environmentContract("AWS", () => makeAwsEnvironment(), {
  also: (test) => {
    test("pods are on two interfaces, and no packet came out of a wrong one", async ({ environment, first }) => {
      const held = environment.simulator.cloud.truth().interfaces;
      const interfaceOf = (address: string) => held.find((one) => one.secondaryAddresses.includes(address))?.id;
      const used = new Set([...first.pods.values()].map(({ host }) => interfaceOf(host.address)));
      expect(used.size).toBe(2);
      expect(await environment.complaints()).toEqual([]);
    });

    test("a packet out of a wrong interface is dropped by the VPC", async ({ environment, first }) => {
      const pod = first.pod("p1").host;
      // Somebody else's rule sends what goes outside by the primary interface, which does not have the pod's address.
      const foreign = `priority 105 from ${pod.address} to ${environment.outside.address} lookup main`;
      await first.namespace.batch(`rule add ${foreign}`);
      try {
        expect(await pod.namespace.pings(environment.outside.address)).toBe(false);
        const spoofed = await environment.router.spoofed();
        expect(spoofed.map((one) => one.split(" ")[1])).toEqual([pod.address]);
      } finally {
        await first.namespace.batch(`rule del ${foreign}`);
        await environment.router.forgetSpoofed();
      }
      await pod.reaches(environment.outside);
    });

    test("rules and routes that were flushed come back within 5 s; those of others stay", async (stage) => {
      const { first } = stage;
      const foreign = ["priority 77 from 192.0.2.0/24 lookup 777", "priority 20 from all to 192.0.2.9 lookup main"];
      await first.namespace.batch(
        ...foreign.map((rule) => `rule add ${rule}`),
        "route add 192.0.2.0/24 dev eth0 table 777",
      );
      const rules = await first.rules();
      const routesOf = async (table: number) =>
        (await first.namespace.ip("route", "show", "table", String(table))).trim();
      const tables = [11, 12];
      const routes = await Promise.all(tables.map(routesOf));
      const pods = [...first.pods.values()].map(({ host }) => host.address);
      await withStreams(stage, async (flow) => {
        await first.namespace.batch(
          ...pods.flatMap((address) => [`rule del to ${address} priority 20`, `rule del from ${address} priority 111`]),
          ...tables.map((table) => `route flush table ${table}`),
        );
        await until(
          "rules and routes are as before",
          async () => {
            const now = [await first.rules(), await Promise.all(tables.map(routesOf))];
            return JSON.stringify(now) === JSON.stringify([rules, routes]);
          },
          5_000,
          async () => [...(await first.rules()), ...(await Promise.all(tables.map(routesOf)))].join("\n"),
        );
        await flow("after everything came back");
      });
      await first.namespace.batch(...foreign.map((rule) => `rule del ${rule}`), "route flush table 777");
      // Between the flush and the repair the pods' packets took the node's default route.
      await stage.environment.router.forgetSpoofed();
    });
  },
  atLast: (test) => {
    test("enid cleanup: of what the daemon set nothing is left", async ({ environment, first }) => {
      await first.daemon.stop();
      await first.enid("cleanup");
      expect(await first.rules()).toEqual(SYSTEM_RULES);
      for (const table of [11, 12]) {
        const shown = await first.namespace.runToEnd("ip", ["route", "show", "table", String(table)]);
        expect(shown.stdout).toBe("");
      }
      expect(await first.namespace.run("nft", ["list", "tables"])).toBe("");
      for (const device of ["eth1", "eth2"]) {
        expect(await first.namespace.ip("address", "show", "dev", device)).not.toContain("10.60.");
      }
      await first.host.reaches(environment.outside);
    });
  },
});
