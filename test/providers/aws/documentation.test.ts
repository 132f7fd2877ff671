import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FAILURE_CLASSES, TAG_CLUSTER, TAG_NODE } from "../../../src/manager/ports/index.ts";
import { CILIUM_TAGS, OTHER_IPAM_NAMES, TAG_NO_MANAGE, VPC_CNI_TAGS } from "../../../src/providers/aws/foreign.ts";
import { FAILURE_RULES } from "../../../src/providers/aws/index.ts";
import {
  DEFAULT_LIMITS,
  TAG_CREATED_AT,
  TAG_INSTANCE,
  TAG_INTENT,
  TAG_MANAGED,
} from "../../../src/providers/aws/options.ts";

const text = readFileSync(new URL("../../../docs/ec2.md", import.meta.url), "utf8");
const room = new URL("../../../src/providers/aws/", import.meta.url);

/** The cells of the table under the header that begins with `firstHeader`. */
function table(firstHeader: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${firstHeader} |`));
  expect(start, firstHeader).toBeGreaterThan(0);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith("|")),
    )
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The EC2 actions that the code can call: one command of the SDK each. */
function calledActions(): string[] {
  const commands = readdirSync(room).flatMap((file) => [
    ...readFileSync(new URL(file, room), "utf8").matchAll(/new (\w+)Command\(/g),
  ]);
  return [...new Set(commands.map(([, action = ""]) => action))].filter((action) => action !== "GetCallerIdentity");
}

describe("docs/ec2.md", () => {
  it("shows the table of failures as the code has it", () => {
    const rules = FAILURE_RULES.map((rule) => [
      `\`${rule.code}\``,
      rule.message === undefined ? "" : `\`${rule.message.source}\``,
      rule.class,
      rule.effect,
    ]);
    expect(table("Code")).toEqual(rules);
  });

  it("says what follows from each class", () => {
    expect(table("Class").map(([name]) => name)).toEqual([...FAILURE_CLASSES]);
  });

  it("names every call in the table of calls", () => {
    const mentioned = table("When")
      .map(([, calls]) => calls)
      .join(" ");
    for (const action of calledActions()) expect(mentioned).toContain(action);
  });

  it("names the tags that the code sets", () => {
    expect(table("Tag").map(([tag]) => tag)).toEqual(
      [TAG_MANAGED, TAG_INSTANCE, TAG_INTENT, TAG_CREATED_AT, TAG_CLUSTER, TAG_NODE].map((tag) => `\`${tag}\``),
    );
  });

  it("names the reasons for which an interface is foreign, and the marks by which others are known", () => {
    const reasons = table("Reason");
    const shown = reasons.map(([reason]) => reason);
    for (const name of Object.values(OTHER_IPAM_NAMES)) expect(shown).toContain(`\`of ${name}\``);
    const marks = reasons.map(([, marks]) => marks).join(" ");
    for (const tag of [...VPC_CNI_TAGS, ...CILIUM_TAGS]) expect(marks).toContain(`\`${tag}\``);
    expect(shown).toContain(`\`tagged ${TAG_NO_MANAGE}\``);
  });

  it("names the limits that are in force", () => {
    expect(DEFAULT_LIMITS).toMatchObject({
      mutationsAtOnce: 4,
      newInterfaceGraceMs: 30_000,
      describeLagMs: 5_000,
      additionLookMs: 8_000,
      detachLimitMs: 15_000,
      requestTimeoutMs: 10_000,
      describeRetries: 2,
      describeRetryBaseMs: 500,
    });
    expect(text).toContain("four over all");
    expect(text).toContain("tries again for 30 seconds");
    expect(text).toContain("5 seconds after its intent was opened at the earliest, and looked for 8 seconds");
    expect(text).toContain("no answer within 10 s");
    expect(text).toContain("takes longer than 15 seconds");
    expect(text).toContain("tried again twice, after about 0.5 and 1 second");
  });
});
