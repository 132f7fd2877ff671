import type { FastifyPluginAsync, FastifyReply } from "fastify";
import { ADOPTION_FILE_LIMIT_BYTES, ADOPTION_SOURCES, type AdoptionText } from "../adoption/index.ts";
import { coerceError, EnidError, type ErrorCode } from "../errors.ts";
import type { ManagerControl, StatusReport } from "../manager/index.ts";
import type { RecordedEvent } from "../telemetry/index.ts";

/** What `enid status` asks for: the manager's report and who reports it. */
export interface DaemonStatus extends StatusReport {
  readonly version: string;
}

export interface ControlOptions {
  readonly manager: ManagerControl;
  readonly version: string;
  /** The latest events, oldest first. */
  readonly events: (limit: number) => readonly RecordedEvent[];
}

/** The daemon refuses to plan for more waiting pods than any node can run. */
export const WAITING_LIMIT = 10_000;
const EVENTS_LIMIT = 512;
const SUBJECT_LIMIT_CHARACTERS = 512;
const BODY_LIMIT_BYTES = 64 * 1024;
/** A file's text as JSON, each character escaped to two at most in what the other IPAMs write. */
const ADOPTION_LIMIT_BYTES = 2 * ADOPTION_FILE_LIMIT_BYTES + BODY_LIMIT_BYTES;

/** Statuses of errors that are not the daemon's own fault; every other code is 500. */
const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  ENID_USAGE: 400,
  ENID_SETTING_UNKNOWN: 400,
  ENID_SETTING_INVALID: 400,
  ENID_ADOPTION_FILE_INVALID: 400,
  ENID_NOTHING_KNOWN: 404,
  ENID_ADOPTION_EARLY: 503,
  ENID_STARTING: 503,
  ENID_STOPPING: 503,
  ENID_STATE_WRITE_FAILED: 503,
};

/**
 * The operator's side of the daemon's Unix socket, under /v1: status, plan, explain, leases, events, overrides.
 * Who may open the socket (0600 in a 0700 folder) may do all of it. Errors are `{error: {code, message, remedy, values}}`.
 */
export function controlRoutes({ manager, version, events }: ControlOptions): FastifyPluginAsync {
  return async (server) => {
    server.setErrorHandler((thrown, _request, reply) => sendError(reply, asUsage(thrown)));

    server.get("/v1/status", async (): Promise<DaemonStatus> => ({ version, ...manager.status() }));

    server.get<{ Querystring: { waiting?: string } }>("/v1/plan", async ({ query }) =>
      manager.dryRun(wholeNumber("waiting", query.waiting ?? "0", WAITING_LIMIT)),
    );

    // A wildcard: the router limits named parameters to 100 characters, and NAMESPACE/POD may have 317.
    server.get<{ Params: { "*": string } }>("/v1/explain/*", async ({ params }) => {
      const subject = params["*"];
      if (subject === "" || subject.length > SUBJECT_LIMIT_CHARACTERS) {
        throw usage(`a subject has 1 to ${SUBJECT_LIMIT_CHARACTERS} characters`);
      }
      return manager.explain(subject);
    });

    server.get("/v1/leases", async () => ({ leases: manager.leases() }));

    // PUT: whoever gets no answer repeats it, and nothing is entered twice.
    server.put<{ Body: unknown }>("/v1/adoption", { bodyLimit: ADOPTION_LIMIT_BYTES }, async ({ body }) => {
      const { request, dryRun } = adoptionRequest(body);
      return manager.adoptLeases(request, dryRun);
    });

    server.get<{ Querystring: { limit?: string } }>("/v1/events", async ({ query }) => ({
      events: events(wholeNumber("limit", query.limit ?? "50", EVENTS_LIMIT)),
    }));

    server.put<{ Body: { assignment?: unknown } | null }>(
      "/v1/overrides",
      { bodyLimit: BODY_LIMIT_BYTES },
      async ({ body }) => {
        const assignment = body?.assignment;
        if (typeof assignment !== "string") throw usage('the body must be {"assignment": "NAME=VALUE"}');
        return manager.setOverride(assignment);
      },
    );

    server.delete<{ Params: { name: string } }>("/v1/overrides/:name", async ({ params }) =>
      manager.unsetOverride(params.name),
    );
  };
}

function sendError(reply: FastifyReply, error: EnidError): FastifyReply {
  const status = HTTP_STATUS[error.code] ?? 500;
  return reply.code(status).send({ error: { ...error.toJSON(), values: error.values } });
}

/** Fastify's own refusals (broken JSON, a body too large) are the caller's mistakes, not internal errors. */
function asUsage(thrown: unknown): EnidError {
  const status = (thrown as { statusCode?: unknown }).statusCode;
  if (!(thrown instanceof EnidError) && typeof status === "number" && status < 500)
    return usage((thrown as Error).message);
  return coerceError(thrown);
}

function adoptionRequest(body: unknown): { request: AdoptionText; dryRun: boolean } {
  const { from, file, text, network, dryRun } = (body ?? {}) as Partial<Record<string, unknown>>;
  const source = ADOPTION_SOURCES.find((known) => known === from);
  if (
    source === undefined ||
    typeof file !== "string" ||
    typeof text !== "string" ||
    typeof network !== "string" ||
    network === "" ||
    typeof dryRun !== "boolean"
  ) {
    throw usage('the body must be {"from": "vpc-cni" or "cilium", "file", "text", "network", "dryRun"}');
  }
  return { request: { from: source, file, text, network }, dryRun };
}

function wholeNumber(name: string, text: string, limit: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= limit))
    throw usage(`${name} cannot be ${JSON.stringify(text)}; allowed is a whole number from 0 to ${limit}`);
  return value;
}

function usage(detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: "status" });
}
