import { afterEach, describe, expect, it } from "vitest";
import { PRIMARY } from "./cloud.ts";
import { Lab } from "./lab.ts";
import { frozen } from "./metadata-weather.ts";

const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

describe("aws/amazon-vpc-cni-k8s#3887: an address that only stale metadata listed was given to a pod", () => {
  it("does not give a dead pod's address to another one when EC2 took it away while metadata still lists it", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 4 } });
    await lab.pods.run(3);
    await lab.quiet();
    lab.onMetadata = frozen();
    await lab.advance(3 * MINUTE_MS);
    const [gone = ""] = lab.pods.running.values();
    expect(lab.truth()[0]?.secondaryAddresses).toContain(gone);
    lab.cloud.call(
      "UnassignPrivateIpAddresses",
      { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [gone] },
      { caller: "foreign" },
    );
    lab.cloud.occupy(lab.truth()[0]?.subnetId ?? "", [gone]);
    await lab.advance(4 * 60 * MINUTE_MS);
    expect(lab.degraded()).toContain("address-denied");
    // Its pod leaves; the address must not come back to life because metadata lists it.
    await lab.pods.remove(1);
    await lab.advance(5 * MINUTE_MS);
    await lab.pods.run(12);
    expect([...lab.pods.running.values()]).not.toContain(gone);
    lab.onMetadata = undefined;
    await lab.advance(5 * 60 * MINUTE_MS);
    await lab.quiet();
    lab.agree();
    expect(lab.degraded()).toEqual([]);
  });
});
