import { Counter, Gauge, type Registry } from "prom-client";
import type { Clock } from "../adapters/index.ts";

/**
 * The process figures that cost nothing, under the names every Prometheus client uses. prom-client's own default set is
 * not used: it brings a 10 ms event-loop timer and a garbage-collection observer, which an idle daemon should not pay.
 */
export function processMetrics(registry: Registry, clock: Clock): () => void {
  const registers = [registry];
  const cpu = new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time spent. An idle node uses next to none.",
    registers,
  });
  const resident = new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory. Beyond 110 MB look for a flood of requests in enid_cni_duration_seconds_count.",
    registers,
  });
  const heap = new Gauge({
    name: "nodejs_heap_size_used_bytes",
    help: "JavaScript heap in use. Rising for hours at a constant number of pods: report it.",
    registers,
  });
  const start = new Gauge({
    name: "process_start_time_seconds",
    help: "When the process started, Unix time. Changing often: look for the reason in the log before each start.",
    registers,
  });
  // Telemetry is the first thing a daemon makes: close enough, and the time stays injected.
  start.set(clock.nowMs() / 1000);
  return () => {
    const { user, system } = process.cpuUsage();
    cpu.reset();
    cpu.inc((user + system) / 1e6);
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heap.set(memory.heapUsed);
  };
}
