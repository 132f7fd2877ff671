import { EnidError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { listFixed, pinFixed, releaseFixed, showFixed } from "../fleet/fixed.ts";
import { FLEET_FLAGS, withFleet } from "../fleet/session.ts";
import { renderFixed, renderFixedList, renderPinned, renderReleased } from "../render/fleet-fixed.ts";
import { closest } from "../suggest.ts";

const SHOWN = 50;

/** The steps and what follows each. */
const STEPS = { list: [], show: ["POD"], release: ["POD"], pin: ["POD", "ADDRESS"] } as const;

export const fleetFixed = defineCommand({
  name: "fleet fixed",
  description:
    "The records of fixed addresses: which pod (namespace/name) has which address, on which node, and until when it is kept.\nlist: all of them, or those that the flags name. show POD: one, in full. release POD: gives a parked address up now, whatever\nits time. pin POD ADDRESS: says which address a pod gets that has none yet; nothing is asked of the cloud by that.",
  positionals: "list | show POD | release POD | pin POD ADDRESS",
  positionalCount: [1, 3],
  flags: {
    ...FLEET_FLAGS,
    namespace: { type: "string", value: "NAME", help: "list: only pods of that namespace." },
    node: { type: "string", value: "TEXT", help: "list: only those whose node has that name or id." },
    state: {
      type: "string",
      value: "STATE",
      help: "list: only those in that state.",
      oneOf: ["bound", "moving", "parked"],
    },
    limit: {
      type: "number",
      value: "N",
      help: `list: at most so many; ${SHOWN} when absent, and all with --json.`,
      range: [1, 1_000_000],
    },
    force: { type: "boolean", help: "release: also when a pod has the address; the pod loses it at once." },
    subnet: { type: "string", value: "ID", help: "pin: the subnet that has the address; on AWS it is needed." },
    zone: { type: "string", value: "ZONE", help: "pin: the availability zone of the subnet; on AWS it is needed." },
    "keep-seconds": {
      type: "number",
      value: "N",
      help: "pin: how long the address is kept after its pod; for ever when absent.",
      range: [0, 3_153_600_000],
    },
  },
  examples: [
    { line: "enid fleet fixed list --namespace shop --state parked", what: "Which addresses wait for their pods?" },
    { line: "enid fleet fixed show shop/db-0", what: "Who has it, and who wants it?" },
    { line: "enid fleet fixed release shop/db-7", what: "The StatefulSet is smaller now, for good." },
    {
      line: "enid fleet fixed pin shop/db-0 10.0.12.40 --subnet subnet-1 --zone eu-west-1a",
      what: "Before the first start of a pod that others know by its address.",
    },
  ],
  async run({ flags, positionals, output, clock }) {
    const step = stepOf(positionals);
    const [, pod = "", address = ""] = positionals;
    const answer = (value: unknown, lines: () => readonly string[]) => {
      output.line(flags.json ? JSON.stringify(value) : lines().join("\n"));
      return 0;
    };
    switch (step) {
      case "list": {
        const { namespace, node, state } = flags;
        const list = await withFleet(flags, clock, ({ store }) => listFixed(store.fixed, { namespace, node, state }));
        const records = list.entries.slice(0, flags.limit);
        const value = { nowMs: list.nowMs, total: list.total, chosen: list.entries.length, records };
        return answer(value, () => renderFixedList(list, flags.limit ?? SHOWN, output.style));
      }
      case "show": {
        const shown = await withFleet(flags, clock, ({ store }) => showFixed(store.fixed, pod));
        return answer(shown, () => renderFixed(shown, output.style));
      }
      case "release": {
        const released = await withFleet(flags, clock, ({ store }) => releaseFixed(store.fixed, pod, flags.force));
        return answer(released, () => renderReleased(released));
      }
      case "pin": {
        const { subnet: subnetId = "", zone = "" } = flags;
        const keepMs = (flags["keep-seconds"] ?? 0) * 1_000;
        const start = { pod, address, subnetId, zone, keepMs };
        const record = await withFleet(flags, clock, ({ store, values }) => {
          const isOnPremises = values.podCIDRs.length > 0;
          return pinFixed(store.fixed, start, isOnPremises);
        });
        return answer({ record }, () => renderPinned(record));
      }
    }
  },
});

/** @throws EnidError ENID_USAGE */
function stepOf(words: readonly string[]): keyof typeof STEPS {
  const [step = "", ...rest] = words;
  const usage = (detail: string) => new EnidError("ENID_USAGE", { detail, command: "fleet fixed" });
  if (!Object.hasOwn(STEPS, step)) {
    const meant = closest(step, Object.keys(STEPS));
    throw usage(`unknown step ${JSON.stringify(step)}${meant === undefined ? "" : `; did you mean ${meant}?`}`);
  }
  const known = step as keyof typeof STEPS;
  const wanted = STEPS[known];
  if (rest.length !== wanted.length) {
    throw usage(`${known} takes ${wanted.length === 0 ? "nothing" : wanted.join(" ")}, not ${rest.length} words`);
  }
  return known;
}
