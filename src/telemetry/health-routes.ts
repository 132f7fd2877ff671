import type { FastifyPluginAsync } from "fastify";
import type { NodeTelemetry } from "./telemetry.ts";

/** A loop that has not come round for this long is stuck: the manager's heartbeat is half of it (manager/limits.ts). */
export const LOOP_AGE_LIMIT_MS = 60_000;

/**
 * GET /healthz: the process answers and the manager's loop comes round (else 503: restart it).
 * GET /readyz: ADD is served and the first fill is reached (else 503 with the reasons).
 * GET /metrics: Prometheus.
 * Alive and ready are apart on purpose: a node that waits for a subnet must not be restarted for it.
 */
export function healthRoutes(telemetry: NodeTelemetry): FastifyPluginAsync {
  return async (server) => {
    server.get("/healthz", async (_request, reply) => {
      const loopAgeMs = telemetry.source()?.loopAgeMs();
      // Before the manager runs there is no loop that could be stuck; the start itself has its limits.
      const alive = loopAgeMs === undefined || loopAgeMs <= LOOP_AGE_LIMIT_MS;
      return reply.code(alive ? 200 : 503).send({
        alive,
        ...(loopAgeMs === undefined ? {} : { loopAgeMs: Math.round(loopAgeMs) }),
        ...(alive ? {} : { reason: `the manager's loop has not come round for ${Math.round(loopAgeMs / 1000)} s` }),
      });
    });

    server.get("/readyz", async (_request, reply) => {
      const status = telemetry.source()?.status();
      if (status === undefined) {
        return reply
          .code(503)
          .send({ ready: false, phase: "starting", waitingFor: "the state to be loaded", degraded: [] });
      }
      return reply.code(status.ready ? 200 : 503).send({
        ready: status.ready,
        phase: status.phase,
        waitingFor: status.waitingFor,
        degraded: status.degraded.map(({ name, error }) => ({ name, ...error })),
      });
    });

    server.get("/metrics", async (_request, reply) => {
      return reply.type(telemetry.registry.contentType).send(await telemetry.scrape());
    });
  };
}
