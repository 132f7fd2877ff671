import { describe, expect, it } from "vitest";
import { PERMISSIONS, WITHOUT_PERMISSION } from "../../src/providers/aws/index.ts";
import { readSource, sources } from "./source-files.ts";

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const POLICY = JSON.parse(readSource("deploy/iam/enid-node.json")) as { Version: string; Statement: Statement[] };
const PAGE = readSource("docs/permissions.md");

/** It tries every action of the table, so that it proves nothing about what enid calls. */
const PROBES = "src/providers/aws/permissions-probes.ts";

const listed = (text: string | readonly string[]): readonly string[] => (typeof text === "string" ? [text] : text);

/** What a file imports of a client of the SDK, but types. */
function importedOf(path: string, client: string): string[] {
  const statements = readSource(path).matchAll(/import\s+(type\s+)?([^;]*?)\s+from\s+"([^"]+)"/g);
  return [...statements].flatMap(([, type, names = "", from]) => {
    if (type !== undefined || from !== client) return [];
    // `* as`, a default import and the like have no braces: they are kept whole, and then are no command.
    const inside = /^\{([\s\S]*)\}$/.exec(names)?.[1] ?? names;
    return inside
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "));
  });
}

/** The names of the commands that the files import, and what else they import of that client. */
function commandsOf(paths: readonly string[], client: string): { actions: string[]; others: string[] } {
  const names = [...new Set(paths.flatMap((path) => importedOf(path, client)))];
  const actions = names.flatMap((name) => /^(\w+)Command$/.exec(name)?.[1] ?? []);
  return { actions: actions.sort(), others: names.filter((name) => !name.endsWith("Command")) };
}

/** It throws what the SDK would throw, and calls nothing real. */
const SIMULATED = "src/simulator/direct/";

const callers = sources.filter((path) => path !== PROBES && !path.startsWith(SIMULATED));
const inTable = PERMISSIONS.map(({ action }) => action);
const calledAlone = PERMISSIONS.filter(({ within }) => within === undefined).map(({ action }) => action);

describe("the permissions of enid", () => {
  it("are those of the commands that the code imports", () => {
    const { actions, others } = commandsOf(callers, "@aws-sdk/client-ec2");
    expect(actions.length).toBeGreaterThan(10);
    expect(actions).toEqual([...calledAlone].sort());
    // Nothing else that makes calls: no client of all actions, no paginators, no waiters.
    expect(others).toEqual(["EC2Client"]);
  });

  it("are tried each by the check, with commands of their own", () => {
    expect(commandsOf([PROBES], "@aws-sdk/client-ec2").actions).toEqual([...calledAlone].sort());
  });

  it("count the tags that come with a creation, and no others", () => {
    const tagging = callers.filter((path) => readSource(path).includes("TagSpecifications"));
    const within = PERMISSIONS.filter((one) => one.within !== undefined);
    expect(tagging.length).toBeGreaterThan(0);
    expect(within).toMatchObject([{ action: "CreateTags", within: "CreateNetworkInterface" }]);
  });

  it("leave out only what needs none", () => {
    const { actions, others } = commandsOf(sources, "@aws-sdk/client-sts");
    expect(actions.map((action) => `sts:${action}`)).toEqual(WITHOUT_PERMISSION);
    expect(others).toEqual(["STSClient"]);
    for (const action of WITHOUT_PERMISSION) expect(PAGE).toContain(`\`${action}\``);
  });

  it("use no other client of the SDK", () => {
    const clients = sources.flatMap((path) =>
      [...readSource(path).matchAll(/"(@aws-sdk\/client-[\w-]+)"/g)].map(([, name]) => name),
    );
    expect([...new Set(clients)].sort()).toEqual(["@aws-sdk/client-ec2", "@aws-sdk/client-sts"]);
  });
});

describe("deploy/iam/enid-node.json", () => {
  it("allows exactly the actions of the table, none by a wildcard", () => {
    const granted = POLICY.Statement.flatMap(({ Action }) => listed(Action));
    expect(granted.filter((action) => action.includes("*"))).toEqual([]);
    expect([...new Set(granted)].sort()).toEqual(inTable.map((action) => `ec2:${action}`).sort());
    expect(POLICY.Version).toBe("2012-10-17");
    expect(POLICY.Statement.every(({ Effect }) => Effect === "Allow")).toBe(true);
  });

  it("has the statements that the table names, each with its action, resources and a condition or none", () => {
    const sids = POLICY.Statement.map(({ Sid }) => Sid);
    expect(new Set(sids).size).toBe(sids.length);
    expect(sids.every((sid) => /^[A-Za-z0-9]+$/.test(sid))).toBe(true);
    const fromTable = PERMISSIONS.flatMap(({ action, grantors }) =>
      grantors.map(({ sid, resource, condition }) => `${action} ${sid} ${resource ?? "*"} ${condition !== undefined}`),
    );
    const fromPolicy = POLICY.Statement.flatMap(({ Sid, Action, Resource, Condition }) => {
      const kinds = new Set(listed(Resource).map((arn) => arn.split(":")[5]?.split("/")[0] ?? arn));
      return listed(Action).flatMap((action) =>
        [...kinds].map((kind) => `${action.replace("ec2:", "")} ${Sid} ${kind} ${Condition !== undefined}`),
      );
    });
    expect(fromTable.sort()).toEqual(fromPolicy.sort());
  });

  it("narrows everything that changes something by VPC, tag, subnet or creation", () => {
    for (const { Sid, Resource, Condition } of POLICY.Statement) {
      if (Sid === "Look") continue;
      expect(listed(Resource), Sid).not.toContain("*");
      expect(Object.values(Condition ?? {}).flatMap(Object.keys), Sid).toHaveLength(1);
    }
    expect(
      POLICY.Statement.filter(({ Action }) => listed(Action).some((action) => action.startsWith("ec2:Describe"))),
    ).toHaveLength(1);
  });

  it("is small enough for an inline policy of a role", () => {
    // IAM counts 10,240 characters over all inline policies of a role, without white space.
    expect(JSON.stringify(POLICY).length).toBeLessThan(5_000);
  });

  it("is explained with every statement and every placeholder", () => {
    const cells = (header: string) => {
      const rows =
        PAGE.slice(PAGE.indexOf(`| ${header} |`))
          .split("\n\n")[0]
          ?.split("\n")
          .slice(2) ?? [];
      return rows.map((row) => (row.split("|")[1] ?? "").trim().replaceAll("`", ""));
    };
    expect(cells("Sid")).toEqual(POLICY.Statement.map(({ Sid }) => Sid));
    const placeholders = new Set(JSON.stringify(POLICY).match(/\b[A-Z]{3,}\b/g));
    expect(cells("Placeholder").sort()).toEqual([...placeholders].sort());
  });
});
