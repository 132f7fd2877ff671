import type { FastifyPluginAsync, FastifyReply } from "fastify";
import type { Clock } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { Telemetry } from "../../manager/ports/index.ts";
import { type CniAnswer, errorAnswer } from "./answers.ts";
import { CALL_LIMIT_BYTES, type CniCall, quote, readCall } from "./call.ts";
import type { LeaseService } from "./port.ts";
import { type Served, serveCall } from "./serve.ts";
import { NEWEST_CNI_VERSION } from "./versions.ts";

export interface CniOptions {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/**
 * POST /cni: what the plugin executable asks. The body of the answer is what it prints, the header X-Enid-Exit its exit
 * code; the HTTP status is 200 for everything the plugin can send.
 */
export function cniRoutes(service: LeaseService, options: CniOptions): FastifyPluginAsync {
  const { telemetry, clock } = options;
  return async (fastify) => {
    fastify.setErrorHandler((thrown: Error & { statusCode?: number }, _request, reply) => {
      const error = requestError(thrown);
      telemetry.served("unknown", error.code, 0);
      return send(reply.code(thrown.statusCode ?? 400), errorAnswer(NEWEST_CNI_VERSION, error));
    });

    fastify.post("/cni", { bodyLimit: CALL_LIMIT_BYTES }, async (request, reply) => {
      const startedMs = clock.monotonicMs();
      const call = readCall(request.body);
      const served = await serveCall(call, service, hangUpSignal(reply));
      telemetry.served(served.verb, served.error?.code ?? "ok", clock.monotonicMs() - startedMs);
      reportFailure(telemetry, call, served);
      return send(reply, served.answer);
    });
  };
}

/** What fastify or readCall refuses: a body too large, not JSON, or of another form. */
function requestError(thrown: Error & { statusCode?: number }): EnidError {
  if (thrown.statusCode === undefined || thrown.statusCode >= 500) return coerceError(thrown);
  return new EnidError("ENID_CNI_REQUEST", { detail: thrown.message }, { cause: thrown });
}

/** Aborted when the connection closes before the answer went out: a killed plugin, or one whose time was up. */
function hangUpSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

function send(reply: FastifyReply, answer: CniAnswer): FastifyReply {
  return reply.header("x-enid-exit", String(answer.exit)).type("application/json").send(answer.body);
}

/** One event for each failed verb but STATUS: runtimes poll that one, and readiness has its own metric. */
function reportFailure(telemetry: Telemetry, call: CniCall, served: Served): void {
  const { error, verb } = served;
  if (error === undefined || verb === "STATUS") return;
  const container = quote(call.environment.CNI_CONTAINERID ?? "");
  telemetry.event({
    name: "cni-failed",
    level: error.entry.cni === 100 ? "error" : "warn",
    message: `${verb} for container ${container} failed: ${error.code}: ${error.message}`,
    fields: {
      verb,
      code: error.code,
      containerId: call.environment.CNI_CONTAINERID?.slice(0, 256) ?? "",
      interfaceName: call.environment.CNI_IFNAME?.slice(0, 64) ?? "",
      arguments: call.environment.CNI_ARGS?.slice(0, 512) ?? "",
    },
  });
}
