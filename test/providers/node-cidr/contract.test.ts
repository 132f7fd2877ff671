import { systemClock } from "../../../src/adapters/index.ts";
import { createLocalProvider } from "../../../src/providers/node-cidr/index.ts";
import { providerContract } from "../../contracts/provider.ts";

const silent = { event() {}, cloudCall() {}, served() {} };
const NOTHING = {
  subnetIds: [],
  subnetTags: {},
  securityGroups: [],
  securityGroupTags: {},
  excludeInterfaceTags: {},
  deleteOnTermination: true,
};

/** The machine that the test runs on, with the real `ip`. */
function local() {
  const environment = { PATH: process.env.PATH, ENID_MACHINE_ID: "0123456789abcdef0123456789abcdef" };
  return createLocalProvider({ clock: systemClock, telemetry: silent, environment });
}

providerContract(
  "node-cidr",
  async () => {
    const provider = local();
    return {
      provider,
      restart: async () => local(),
      selection: NOTHING,
      impossible: undefined,
      changes: () => 0,
      truth: () => [{ id: "node", attached: true, blocks: [], securityGroups: [] }],
      growth: undefined,
      close: () => provider.close(),
    };
  },
  { grows: false },
);
