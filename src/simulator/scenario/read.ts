import { EnidError } from "../../errors.ts";
import { instanceType } from "../../instance-types/index.ts";
import type { SettingsPatch } from "../index.ts";
import { podLimitOf, settingsOf } from "./capacity.ts";
import type { NodeSections } from "./policy.ts";
import { cidrOf, overlaps, type Range, rangeOf, rangesFrom } from "./ranges.ts";
import type { NodeGroup, Scenario, SubnetGroup } from "./scenario.ts";
import { checkSchema, type ScenarioFile } from "./schema.ts";

const TEXT_LIMIT = 1_048_576;
const NODE_LIMIT = 20_000;
/** Problems that one message names. */
const NAMED_PROBLEMS = 5;
/** A quota that no scenario of this size reaches. */
const NO_QUOTA = 1_000_000;
/** Addresses of a subnet that AWS keeps. */
const RESERVED = 5;

/**
 * The text of a scenario file with everything that it leaves out filled in. Errors: ENID_SCENARIO_INVALID with the
 * places as JSON pointers; ENID_CONFIG_INVALID for what is wrong in `settings`.
 */
export function readScenario(text: string, file: string): Scenario {
  const found = fileOf(text, file);
  const { eni = {}, ipam = {}, fleet } = found.settings ?? {};
  const settings: NodeSections = { eni, ipam, ...(fleet === undefined ? {} : { fleet }) };
  const values = settingsOf(settings, `${file} /settings`);
  const problems = [...nodeProblems(found), ...subnetProblems(found), ...exhaustionProblems(found)];
  if (problems.length > 0) throw invalid(file, problems);
  return {
    name: found.name,
    description: found.description,
    seed: found.seed ?? 1,
    hours: found.hours,
    until: found.until ?? "end",
    nodes: found.nodes.map(
      (group): NodeGroup => ({
        startSeconds: 0,
        spreadSeconds: 0,
        podLimit: podLimitOf(group.type, values),
        ...group,
      }),
    ),
    subnets: found.subnets.map((group): SubnetGroup => ({ count: 1, tags: {}, used: 0, nodes: true, ...group })),
    settings,
    cloud: cloudOf(found),
    workload: found.workload ?? [],
    restarts: (found.restarts ?? []).map((restart) => ({ spreadSeconds: 0, downSeconds: 2, ...restart })),
    exhaustion: (found.exhaustion ?? []).map(({ subnet, ...one }) => ({ subnet, fromSeconds: 0, ...one })),
  };
}

function fileOf(text: string, file: string): ScenarioFile {
  if (text.length > TEXT_LIMIT) {
    throw invalid(file, [`it has ${text.length} characters; at most ${TEXT_LIMIT} are read`]);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    throw invalid(file, [thrown instanceof Error ? thrown.message : String(thrown)]);
  }
  const checked = checkSchema(json);
  if ("problems" in checked) throw invalid(file, checked.problems);
  return checked.file;
}

function cloudOf({ account = {}, cloud = {} }: ScenarioFile): SettingsPatch {
  return { interfaceQuota: NO_QUOTA, ...cloud, ...account };
}

function nodeProblems({ nodes, cloud = {} }: ScenarioFile): string[] {
  const total = nodes.reduce((sum, { count }) => sum + count, 0);
  const unknown = nodes.flatMap(({ type }, at) =>
    instanceType(type) === undefined ? [`/nodes/${at}/type: no instance type ${type} is known`] : [],
  );
  const spans = Object.entries(cloud).flatMap(([name, value]) =>
    typeof value === "object" && "minMs" in value && Number(value.minMs) > Number(value.maxMs)
      ? [`/cloud/${name} has minMs above maxMs`]
      : [],
  );
  const tooMany = total > NODE_LIMIT ? [`/nodes has ${total} nodes; at most ${NODE_LIMIT}`] : [];
  return [...tooMany, ...unknown, ...spans];
}

function subnetProblems({ subnets, nodes }: ScenarioFile): string[] {
  const problems: string[] = [];
  const all: Range[] = [];
  let room = 0;
  for (const [at, { cidr, count = 1, used = 0, nodes: forNodes = true }] of subnets.entries()) {
    const first = rangeOf(cidr);
    const ranges = first && first.length >= 16 && first.length <= 28 ? rangesFrom(first, count) : undefined;
    if (ranges === undefined) {
      problems.push(`/subnets/${at}/cidr: ${cidr} is not a range from /16 to /28 without host bits, or leaves IPv4`);
      continue;
    }
    for (const range of ranges) {
      const clash = all.find((other) => overlaps(range, other));
      if (clash !== undefined) problems.push(`/subnets/${at}: ${cidrOf(range)} overlaps ${cidrOf(clash)}`);
      all.push(range);
      const free = range.size - RESERVED - used;
      if (free < 0) problems.push(`/subnets/${at}/used: ${cidrOf(range)} has ${range.size - RESERVED} addresses`);
      // Nodes take turns over the subnets: each must have room for its share.
      if (forNodes) room = room === 0 ? free : Math.min(room, free);
    }
  }
  const turns = subnets.reduce((sum, { count = 1, nodes: forNodes = true }) => sum + (forNodes ? count : 0), 0);
  const total = nodes.reduce((sum, { count }) => sum + count, 0);
  if (turns === 0)
    problems.push("/subnets: nodes need a subnet for their primary interfaces, and none has nodes: true");
  else if (Math.ceil(total / turns) > room) {
    problems.push(`/subnets: ${total} nodes in ${turns} subnets need ${Math.ceil(total / turns)} addresses in each`);
  }
  return problems;
}

function exhaustionProblems({ exhaustion = [], subnets }: ScenarioFile): string[] {
  const count = subnets.reduce((sum, { count: one = 1 }) => sum + one, 0);
  return exhaustion.flatMap(({ subnet, fromSeconds = 0, untilSeconds }, at) => [
    ...(subnet !== undefined && subnet >= count ? [`/exhaustion/${at}/subnet: there are ${count}, from 0`] : []),
    ...(untilSeconds < fromSeconds ? [`/exhaustion/${at} ends before it begins`] : []),
  ]);
}

function invalid(file: string, problems: readonly string[]): EnidError {
  const more = problems.length > NAMED_PROBLEMS ? [`and ${problems.length - NAMED_PROBLEMS} more`] : [];
  return new EnidError("ENID_SCENARIO_INVALID", {
    file,
    detail: [...problems.slice(0, NAMED_PROBLEMS), ...more].join("; "),
  });
}
