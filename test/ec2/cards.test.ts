import { afterEach, describe, expect, it } from "vitest";
import { NODE_SUBNET, SUBNETS, VPC, ZONE } from "./cloud.ts";
import { Lab } from "./lab.ts";

let lab: Lab;
afterEach(() => lab.close());

const places = () => lab.truth().map(({ attachment }) => [attachment?.networkCard, attachment?.deviceIndex]);

describe("an instance with several network cards", () => {
  it("fills them in order, with the limits and indexes of each", async () => {
    // c6in.32xlarge: two cards of eight interfaces, 50 addresses each.
    const subnets = SUBNETS.map((subnet) =>
      subnet.id === NODE_SUBNET ? { ...subnet, cidr: "10.64.16.0/20" } : subnet,
    );
    lab = await Lab.open({
      type: "c6in.32xlarge",
      model: {
        subnets,
        vpcs: [{ id: VPC, cidrs: ["10.64.0.0/16"] }],
        instances: [
          {
            id: "i-0a000000000000001",
            type: "c6in.32xlarge",
            subnet: NODE_SUBNET,
            zone: ZONE,
            primaryInterface: "eni-0a000000000000001",
          },
        ],
      },
    });
    for (let batch = 0; batch < 10; batch++) await lab.pods.run(45);
    await lab.quiet();
    expect(lab.pods.count).toBe(450);
    const onFirst = places().filter(([card]) => card === 0);
    expect(onFirst.length).toBe(8);
    expect(places().filter(([card]) => card === 1)[0]).toEqual([1, 1]);
    expect(lab.mutations("AttachNetworkInterface").every(({ code }) => code === "")).toBe(true);
    lab.agree();
  });
});
