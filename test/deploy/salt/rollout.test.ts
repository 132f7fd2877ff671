import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../house/source-files.ts";

interface Run {
  readonly answer: Readonly<Record<string, unknown>>;
  readonly told: readonly string[];
  readonly calls: readonly (readonly [string, readonly string[], Readonly<Record<string, unknown>>])[];
}

type Nodes = Record<string, object>;

/** n1 to n7, with what is wrong with some of them. */
const fleet = (wrong: Nodes = {}): Nodes =>
  Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((number) => [`n${number}`, wrong[`n${number}`] ?? {}]));
const byTwo = { batch: 2, first: 1 };

const SCENARIOS = {
  smooth: { nodes: fleet(), runs: [{ options: byTwo }, { options: byTwo }] },
  broken: {
    nodes: fleet({ n3: { broken: "check_cmd execution failed" } }),
    runs: [{ options: byTwo }, { options: byTwo, changes: { n3: {} } }],
  },
  unwell: {
    nodes: fleet({ n5: { well: false } }),
    runs: [{ options: byTwo }, { options: byTwo, changes: { n5: {} } }, { options: byTwo }],
  },
  stillUnwell: { nodes: fleet({ n5: { well: false, done: true } }), runs: [{ options: byTwo }] },
  silent: { nodes: fleet({ n2: { silent: ["state.apply"] } }), runs: [{ options: { ...byTwo, apply_seconds: 90 } }] },
  raising: { nodes: fleet({ n1: { raises: "MinionError: disk full" } }), runs: [{ options: byTwo }] },
  away: { nodes: fleet({ n6: { silent: ["test.ping"] } }), runs: [{ options: byTwo }] },
  deaf: { nodes: fleet({ n6: { silent: ["enid_node.standing"] } }), runs: [{ options: byTwo }] },
  tolerant: {
    nodes: fleet({ n2: { well: false }, n6: { broken: "no" } }),
    runs: [{ options: { ...byTwo, max_failed: 1 } }],
  },
  known: { nodes: fleet({ n1: { degraded: ["ec2-throttled"] } }), runs: [{ options: byTwo }] },
  gone: { nodes: fleet({ n1: { done: true, well: false } }), runs: [{ options: { ...byTwo, gate: "gone" } }] },
  dry: { nodes: fleet({ n1: { done: true } }), runs: [{ options: { ...byTwo, dry_run: true } }] },
  share: { nodes: fleet(), runs: [{ options: { batch: "50%", first: 0 } }, { options: { batch: "1%" } }] },
  nobody: { nodes: {}, runs: [{}] },
  mistyped: { nodes: fleet(), runs: [{ options: { gate: "redy" } }] },
};

let runs: Record<keyof typeof SCENARIOS, readonly Run[]>;

beforeAll(() => {
  const runner = join(ROOT, "deploy/salt/states/_runners/enid_rollout.py");
  const { status, stdout, stderr } = spawnSync(
    join(ROOT, ".enid/python/bin/python"),
    [join(ROOT, "test/deploy/salt/rollout.py"), runner],
    { input: JSON.stringify(Object.values(SCENARIOS)), encoding: "utf8", timeout: 60_000 },
  );
  if (status !== 0) throw new Error(stderr);
  const answers = JSON.parse(stdout) as Run[][];
  runs = Object.fromEntries(Object.keys(SCENARIOS).map((name, index) => [name, answers[index]])) as Record<
    string,
    Run[]
  > as typeof runs;
}, 60_000);

function run(name: keyof typeof SCENARIOS, index = 0): Run {
  const found = runs[name][index];
  if (found === undefined) throw new Error(`${name} has no run ${index}`);
  return found;
}

/** Which nodes got the states, call by call. */
const applied = ({ calls }: Run) => calls.filter(([name]) => name === "state.apply").map(([, nodes]) => nodes);

describe("the roll-out of deploy/salt", () => {
  it("takes a first node, then batch by batch, each with its gate before the next begins", () => {
    const smooth = run("smooth");
    expect(smooth.answer).toEqual({
      batches: [["n1"], ["n2", "n3"], ["n4", "n5"], ["n6", "n7"]],
      skipped: [],
      failed: {},
    });
    const steps = smooth.calls.map(([name]) => name).filter((name) => /state\.apply|gate/.test(name));
    expect(steps).toEqual(Array.from({ length: 4 }, () => ["state.apply", "enid_node.gate"]).flat());
    expect(smooth.told[1]).toBe("batch 2 of 4: n2, n3");
    const gates = smooth.calls.filter(([name]) => name === "enid_node.gate");
    expect(gates[0]?.[2]).toEqual({ version: "0.2.0", wait_seconds: 300, known: [] });
  });

  it("passes over what is as it should be", () => {
    expect(run("smooth", 1).answer).toMatchObject({ batches: [], skipped: Object.keys(fleet()) });
    expect(applied(run("smooth", 1))).toEqual([]);
  });

  it("stops where states fail, says at which node and why, and goes on there", () => {
    const stopped = run("broken");
    expect(stopped.answer).toMatchObject({
      Error: "stopped after batch 2 of 4: n3: enid-configuration: check_cmd execution failed",
      batches: [["n1"]],
      failed: { n3: "enid-configuration: check_cmd execution failed" },
      "not begun": ["n4", "n5", "n6", "n7"],
    });
    expect(applied(stopped)).toEqual([["n1"], ["n2", "n3"]]);
    // The gate is asked of the other one of the batch all the same.
    expect(stopped.calls.at(-1)?.slice(0, 2)).toEqual(["enid_node.gate", ["n2"]]);
    expect(run("broken", 1).answer).toMatchObject({
      batches: [["n3"], ["n4", "n5"], ["n6", "n7"]],
      skipped: ["n1", "n2"],
    });
  });

  it("stops at a node that is not well", () => {
    expect(run("unwell").answer).toMatchObject({
      Error: "stopped after batch 3 of 4: n5: not ready: subnets",
      "not begun": ["n6", "n7"],
    });
    // Well again by now: passed over.
    expect(run("unwell", 1).answer).toMatchObject({ batches: [["n6"], ["n7"]] });
    expect(run("unwell", 2).answer).toMatchObject({ batches: [] });
  });

  it("begins with the node that it stopped at, as long as that is not well", () => {
    const again = run("stillUnwell");
    expect(again.answer).toMatchObject({ Error: expect.stringContaining("after batch 1 of 4: n5"), batches: [] });
    expect(applied(again)).toEqual([["n5"]]);
  });

  it("takes no answer, and an error in place of one, for a failure", () => {
    expect(run("silent").answer).toMatchObject({ failed: { n2: "does not answer state.apply within 90 s" } });
    expect(run("raising").answer).toMatchObject({ failed: { n1: "state.apply: MinionError: disk full" } });
  });

  it("does not begin while a node is away, or cannot be looked at", () => {
    expect(run("away").answer).toEqual({
      Error: "not begun: some nodes do not answer",
      failed: { n6: "does not answer" },
    });
    expect(run("deaf").answer).toMatchObject({ failed: { n6: expect.stringContaining("does not answer") } });
    for (const name of ["away", "deaf"] as const) expect(applied(run(name))).toEqual([]);
  });

  it("goes on with as many failures as it may", () => {
    const { answer } = run("tolerant");
    expect(answer).toMatchObject({
      Error: expect.stringContaining("batch 4 of 4"),
      batches: [["n1"], ["n2", "n3"], ["n4", "n5"]],
    });
    expect(Object.keys(answer.failed as object)).toEqual(["n2", "n6"]);
  });

  it("lets a node give way as it did before", () => {
    expect(run("known").answer).toMatchObject({
      failed: {},
      batches: [["n1"], ["n2", "n3"], ["n4", "n5"], ["n6", "n7"]],
    });
  });

  it("takes a removal for done without asking whether the daemon is well", () => {
    expect(run("gone").answer).toMatchObject({ skipped: ["n1"], failed: {} });
    expect(run("gone").calls.map(([name]) => name)).toContain("enid_node.gate_gone");
  });

  it("only says what it would do", () => {
    expect(run("dry").answer).toMatchObject({
      batches: [["n2"], ["n3", "n4"], ["n5", "n6"], ["n7"]],
      skipped: ["n1"],
      pending: { n2: { "enid-release": "would be unpacked" } },
    });
    expect(applied(run("dry"))).toEqual([]);
  });

  it("takes shares of all nodes, and one at least", () => {
    expect(run("share").answer).toMatchObject({ batches: [["n1", "n2", "n3"], ["n4", "n5", "n6"], ["n7"]] });
    expect(run("nobody").answer).toEqual({ Error: "no minion is node-* (glob)" });
    expect(run("mistyped").answer).toEqual({ Error: "gate is one of ready, gone, not redy" });
  });
});
