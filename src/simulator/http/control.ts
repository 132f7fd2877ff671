/** The control endpoint: see and drive the simulated cloud over HTTP. docs/simulator.md lists every call. */
import { EnidError } from "../../errors.ts";
import {
  readAccount,
  readFault,
  readForeignCall,
  readInstance,
  readInterface,
  readInterfacePatch,
  readMetadataOptions,
  readMetadataView,
  readOccupation,
  readSettings,
} from "../input/validate.ts";
import type { Answer } from "../model/answer.ts";
import type { SimulatedCloud } from "../model/cloud.ts";
import type { InstanceDescription } from "../model/description.ts";
import { EC2_ERROR_CASES } from "../model/ec2-errors.ts";
import type { Instance } from "../model/records.ts";
import { SimulatedError } from "../model/simulated-error.ts";
import type { Incoming } from "./listen.ts";

export const CONTROL_PATH = "/_simulator/";

export interface Controlled {
  readonly cloud: SimulatedCloud;
  readonly launch: (described: InstanceDescription) => Promise<Instance>;
  readonly environment: (instanceId: string) => Record<string, string>;
}

interface ControlRequest {
  /** The parts of the path that the route leaves open. */
  readonly names: readonly string[];
  readonly query: URLSearchParams;
  /** The parsed body; undefined when there is none. */
  readonly json: unknown;
  readonly source: string;
}

interface Route {
  readonly method: string;
  readonly path: string;
  /** The content of the answer; nothing is `{"done": true}`. */
  readonly answer: (controlled: Controlled, request: ControlRequest) => unknown;
}

const ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "",
    answer: () => ({ calls: ROUTES.map(({ method, path }) => `${method} ${CONTROL_PATH}${path}`) }),
  },
  { method: "GET", path: "state", answer: ({ cloud }, { query }) => cloud.truth(query.get("account") ?? undefined) },
  { method: "GET", path: "calls", answer: ({ cloud }, { query }) => ({ calls: cloud.log.calls(selection(query)) }) },
  { method: "GET", path: "counts", answer: ({ cloud }) => ({ counts: cloud.log.counts() }) },
  { method: "DELETE", path: "calls", answer: ({ cloud }) => cloud.log.reset() },
  { method: "GET", path: "faults", answer: ({ cloud }) => ({ faults: cloud.faults.list() }) },
  {
    method: "POST",
    path: "faults",
    answer: ({ cloud }, { json, source }) => cloud.faults.add(readFault(json, source)),
  },
  { method: "DELETE", path: "faults", answer: ({ cloud }) => ({ removed: cloud.faults.remove() }) },
  {
    method: "DELETE",
    path: "faults/*",
    answer: ({ cloud }, { names }) => ({ removed: cloud.faults.remove(names[0] ?? "") }),
  },
  { method: "GET", path: "settings", answer: ({ cloud }) => cloud.settings },
  {
    method: "PATCH",
    path: "settings",
    answer: ({ cloud }, { json, source }) => cloud.changeSettings(readSettings(json, source)),
  },
  { method: "GET", path: "accounts", answer: ({ cloud }) => ({ accounts: cloud.accounts() }) },
  {
    method: "PATCH",
    path: "accounts/*",
    answer: ({ cloud }, { names, json, source }) => cloud.deny(readAccount(json, source).deniedActions, names[0]),
  },
  { method: "GET", path: "error-codes", answer: () => ({ errors: EC2_ERROR_CASES }) },
  { method: "POST", path: "foreign-calls", answer: foreignCall },
  { method: "POST", path: "instances", answer: launch },
  { method: "DELETE", path: "instances/*", answer: ({ cloud }, { names }) => cloud.terminate(names[0] ?? "") },
  {
    method: "PATCH",
    path: "instances/*/metadata",
    answer: ({ cloud }, { names, json, source }) =>
      cloud.changeMetadataOptions(names[0] ?? "", readMetadataOptions(json, source)),
  },
  {
    method: "PATCH",
    path: "instances/*/metadata-view",
    answer: ({ cloud }, { names, json, source }) =>
      cloud.changeMetadataView(names[0] ?? "", readMetadataView(json, source)),
  },
  {
    method: "GET",
    path: "instances/*/environment",
    answer: ({ environment }, { names }) => environment(names[0] ?? ""),
  },
  {
    method: "POST",
    path: "interfaces",
    answer: ({ cloud }, { json, source }) => ({ interface: cloud.place(readInterface(json, source)) }),
  },
  {
    method: "PATCH",
    path: "interfaces/*",
    answer: ({ cloud }, { names, json, source }) => ({
      interface: cloud.changeInterface(names[0] ?? "", readInterfacePatch(json, source)),
    }),
  },
  { method: "DELETE", path: "interfaces/*", answer: ({ cloud }, { names }) => cloud.erase(names[0] ?? "") },
  { method: "POST", path: "subnets/*/others", answer: occupy },
  { method: "DELETE", path: "subnets/*/others", answer: vacate },
  {
    method: "POST",
    path: "subnets/*/fragments",
    answer: ({ cloud }, { names }) => ({ taken: cloud.fragment(names[0] ?? "") }),
  },
  {
    method: "DELETE",
    path: "subnets/*/fragments",
    answer: ({ cloud }, { names }) => ({ given: cloud.defragment(names[0] ?? "") }),
  },
];

export function createControl(controlled: Controlled): (incoming: Incoming) => Promise<Answer> {
  return async (incoming) => {
    const path = incoming.path.slice(CONTROL_PATH.length).replace(/\/$/, "");
    const matches = ROUTES.flatMap((route) => {
      const names = match(route.path, path);
      return names ? [{ route, names }] : [];
    });
    const found = matches.find(({ route }) => route.method === incoming.method);
    if (!found) {
      return matches.length > 0
        ? problem(405, `${incoming.path} takes ${matches.map(({ route }) => route.method).join(", ")}`)
        : problem(404, `no control call ${incoming.path}; GET ${CONTROL_PATH} lists them`);
    }
    try {
      const json: unknown = incoming.body === "" ? undefined : JSON.parse(incoming.body);
      const query = new URLSearchParams(incoming.query);
      const source = `${incoming.method} ${incoming.path}`;
      const content = await found.route.answer(controlled, { names: found.names, query, json, source });
      return reply(200, content ?? { done: true });
    } catch (thrown) {
      return refuse(thrown);
    }
  };
}

function foreignCall({ cloud }: Controlled, { json, source }: ControlRequest): unknown {
  const { action, parameters = {}, account } = readForeignCall(json, source);
  return cloud.foreignCall(action, parameters, account);
}

async function launch({ launch: start, environment }: Controlled, { json, source }: ControlRequest): Promise<unknown> {
  const instance = await start(readInstance(json, source));
  return { instance, environment: environment(instance.id) };
}

function occupy({ cloud }: Controlled, { names, json, source }: ControlRequest): unknown {
  const { count, addresses } = readOccupation(json, source);
  return { taken: cloud.occupy(names[0] ?? "", addresses ?? count ?? 0) };
}

function vacate({ cloud }: Controlled, { names, json, source }: ControlRequest): unknown {
  const { count, addresses } = readOccupation(json ?? {}, source);
  return { given: cloud.vacate(names[0] ?? "", addresses ?? count) };
}

function selection(query: URLSearchParams): { action?: string; after?: number } {
  const action = query.get("action");
  const after = Number(query.get("after") ?? 0);
  return { ...(action !== null && { action }), after: Number.isFinite(after) ? after : 0 };
}

/** The open parts of the path when it fits; undefined when it does not. */
function match(pattern: string, path: string): readonly string[] | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  const fits = wanted.length === given.length && wanted.every((part, index) => part === "*" || part === given[index]);
  return fits ? given.filter((_, index) => wanted[index] === "*") : undefined;
}

function refuse(thrown: unknown): Answer {
  if (thrown instanceof SimulatedError) return problem(409, `${thrown.code}: ${thrown.message}`);
  if (thrown instanceof EnidError) return problem(400, String(thrown.values.detail ?? thrown.message));
  if (thrown instanceof SyntaxError) return problem(400, `the body is not JSON: ${thrown.message}`);
  if (thrown instanceof RangeError) return problem(404, thrown.message);
  return problem(500, thrown instanceof Error ? thrown.message : String(thrown));
}

function problem(status: number, error: string): Answer {
  return reply(status, { error });
}

function reply(status: number, content: unknown): Answer {
  const body = `${JSON.stringify(content, null, 2)}\n`;
  return { kind: "reply", status, headers: { "content-type": "application/json" }, body };
}
