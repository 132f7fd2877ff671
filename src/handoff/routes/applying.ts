import type { Actual, Family, Link } from "./actual.ts";
import { routeKey, ruleKey } from "./actual.ts";
import type { Change } from "./difference.ts";
import { asHostRoutesError } from "./errors.ts";
import type { Host } from "./host.ts";
import { linesOf } from "./lines.ts";
import { removeMarks, setMarks } from "./marks.ts";
import { filterSetting } from "./reading.ts";

export interface Applied {
  readonly change: Change;
  /** Why it was refused; empty when it is done, or was done already. */
  readonly refused: string;
}

/**
 * Does the changes: one process for IPv4 with links and addresses, one for IPv6, one for the marks; none for a kind that
 * nothing is to be done of. A refusal stops none of the others.
 *
 * @throws EnidError ENID_HOST_ROUTES when `ip` cannot be run at all.
 */
export async function applyChanges(host: Host, changes: readonly Change[]): Promise<readonly Applied[]> {
  return [
    ...(await applyFilters(host, changes)),
    // IPv6 second: its routes need the link up.
    ...(await applyBatch(host, "ipv4", changes)),
    ...(await applyBatch(host, "ipv6", changes)),
    ...(await applyMarks(host, changes)),
  ];
}

async function applyBatch(host: Host, family: Family, changes: readonly Change[]): Promise<readonly Applied[]> {
  const own = changes.filter((change) => "family" in change && change.family === family);
  if (own.length === 0) return [];
  const lines = own.flatMap((change) => linesOf(change).map((line) => ({ change, line })));
  const args = [...(family === "ipv6" ? ["-6"] : []), "-force", "-batch", "-"];
  const { code, stderr } = await host.run("ip", args, lines.map(({ line }) => `${line}\n`).join(""));
  const refusals = refusalsOf(stderr);
  const told = new Map<Change, string>();
  for (const [number, reason] of refusals) {
    const entry = lines[number - 1];
    if (entry !== undefined && !isDone(entry.change, reason)) told.set(entry.change, `${reason} (ip ${entry.line})`);
  }
  const unexplained = code !== 0 && refusals.size === 0 ? firstLine(stderr) || `ip ended with ${code}` : "";
  return own.map((change) => ({ change, refused: told.get(change) ?? unexplained }));
}

/** "RTNETLINK answers: File exists\nCommand failed -:3": the reason by the number of the line, from 1. */
export function refusalsOf(stderr: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  let reason = "";
  for (const line of stderr.split("\n")) {
    const failed = /^Command failed .*:(\d+)$/.exec(line.trim());
    if (failed === null) reason ||= line.trim();
    else {
      found.set(Number(failed[1]), reason.replace(/^RTNETLINK answers: /, "") || "refused without a reason");
      reason = "";
    }
  }
  return found;
}

/** Somebody did it between the reading and now. */
function isDone(change: Change, reason: string): boolean {
  if (change.do.startsWith("add-")) return /File exists|already assigned/i.test(reason);
  return change.do.startsWith("remove-") && /No such|Cannot assign requested address|Cannot find device/i.test(reason);
}

async function applyFilters(host: Host, changes: readonly Change[]): Promise<readonly Applied[]> {
  return Promise.all(
    changes.flatMap((change) =>
      change.do === "set-filter"
        ? [
            host.writeSetting(filterSetting(change.device), String(change.value)).then(
              () => ({ change, refused: "" }),
              (thrown) => ({ change, refused: String(asHostRoutesError(thrown).values.detail) }),
            ),
          ]
        : [],
    ),
  );
}

async function applyMarks(host: Host, changes: readonly Change[]): Promise<readonly Applied[]> {
  const applied: Applied[] = [];
  for (const change of changes) {
    if (change.do !== "set-marks" && change.do !== "remove-marks") continue;
    const input = change.do === "set-marks" ? setMarks(change.device) : removeMarks();
    const refused = await host.run("nft", ["-f", "-"], input).then(
      ({ code, stderr }) => (code === 0 ? "" : `nft: ${firstLine(stderr) || `ended with ${code}`}`),
      (thrown) => String(asHostRoutesError(thrown).values.detail),
    );
    applied.push({ change, refused });
  }
  return applied;
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}

/** PURE. What the node has after the changes that were done. */
export function after(actual: Actual, applied: readonly Applied[]): Actual {
  const done = applied.filter(({ refused }) => refused === "").map(({ change }) => change);
  const rules = new Map(actual.rules.map((rule) => [ruleKey(rule), rule]));
  const routes = new Map(actual.routes.map((route) => [`${routeKey(route)} ${route.metric}`, route]));
  const filters = new Map(actual.filters);
  let { links, marked } = actual;
  for (const change of done) {
    if ("rule" in change) put(rules, ruleKey(change.rule), change.do === "add-rule" ? change.rule : undefined);
    else if ("route" in change) {
      const key = `${routeKey(change.route)} ${change.route.metric}`;
      put(routes, key, change.do === "add-route" ? change.route : undefined);
    } else if (change.do === "set-filter") filters.set(change.device, change.value);
    else if (change.do === "set-marks") marked = change.device;
    else if (change.do === "remove-marks") marked = "";
    else links = links.map((link) => changedLink(link, change));
  }
  return { links, rules: [...rules.values()], routes: [...routes.values()], filters, marked };
}

function put<Value>(map: Map<string, Value>, key: string, value: Value | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

type LinkChange = Extract<Change, { do: "set-link" | "add-address" | "remove-address" }>;

function changedLink(link: Link, change: LinkChange): Link {
  if (change.do === "set-link") {
    return link.device === change.device ? { ...link, up: true, mtuBytes: change.mtuBytes ?? link.mtuBytes } : link;
  }
  const { device, address, prefixLength } = change.address;
  if (link.device !== device) return link;
  const others = link.addresses.filter((each) => each.address !== address);
  if (change.do === "remove-address") return { ...link, addresses: others };
  return { ...link, addresses: [...others, { address, prefixLength, dynamic: false, withoutRoute: true }] };
}
