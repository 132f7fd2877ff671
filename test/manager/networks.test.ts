import { describe, expect, it } from "vitest";
import type { InterfaceRecord } from "../../src/manager/index.ts";
import { PRIMARY, SUBNET_A } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, pod, startedLab } from "./harness.ts";

/** What a node on EC2 says of the networks of its pods' addresses. */
describe("the network of an address on EC2", () => {
  it("has the subnet's prefix length, and as gateway the address that AWS reserves in it", async () => {
    const { running } = await startedLab();
    const answer = await running.add({ attachment: attachment(1), pod: pod(1) });
    expect(answer).toEqual({ address: "10.0.0.10", network: { prefixLength: 16, gateway: "10.0.0.3" } });
  });

  it("is the same after a restart, before the cloud was asked", async () => {
    const lab = await startedLab();
    const before = await lab.running.add({ attachment: attachment(1), pod: pod(1) });
    await lab.running.stop(0);
    lab.provider.callMs = 3_600_000;
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration() });
    expect(await again.add({ attachment: attachment(1), pod: pod(1) })).toEqual(before);
  });

  it("has /64 and a link-local gateway for IPv6", async () => {
    const lab = createLab();
    lab.provider.ipv6Subnets = [SUBNET_A];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { "ip-families": "dual" } }) });
    await lab.clock.advance(5_000);
    expect(await running.add({ attachment: attachment(1), pod: pod(1) })).toMatchObject({
      network: { prefixLength: 16, gateway: "10.0.0.3" },
      ipv6Network: { prefixLength: 64, gateway: "fe80::1" },
    });
  });

  it("is not known where the subnet is not: the address stands alone", async () => {
    const lab = await startedLab();
    const { interfaces } = lab.store.load();
    const record = interfaces.find(({ id }) => id === PRIMARY) as InterfaceRecord;
    await lab.running.stop(0);
    await lab.store.commit([{ kind: "interface-put", interface: { ...record, subnetCidr: "" } }]);
    lab.provider.callMs = 3_600_000;
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration() });
    expect(await again.add({ attachment: attachment(1), pod: pod(1) })).toEqual({ address: "10.0.0.10" });
    expect(await add(again, 2)).toBe("10.0.0.11");
  });
});
