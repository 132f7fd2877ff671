import type { Clock, Random } from "../adapters/index.ts";
import type { SettingValues } from "../configuration/index.ts";
import { coerceError, type EnidError } from "../errors.ts";
import type { AgentHandOff, AgentHandOffReport, AgentService } from "../handoff/cilium-node/port.ts";
import type { Telemetry } from "../manager/index.ts";

export interface DaemonAgentOptions {
  readonly values: SettingValues;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Names the node where the settings do not. */
  readonly nodeName: string;
  /** Names this process among those that served the node. */
  readonly holder: string;
}

const AGAIN_MS = 10_000;

/**
 * The hand-off by the CiliumNode of a daemon. The way to the API may not be there yet when the daemon starts (a kubeconfig that
 * the kubelet's bootstrap writes): it is tried again, and the daemon goes on meanwhile. Its code is loaded here and only here.
 */
export class DaemonAgent implements AgentHandOff {
  readonly #options: DaemonAgentOptions;
  #handOff: AgentHandOff | undefined;
  #trouble: EnidError | undefined;
  #isStopped = false;
  #cancel = () => {};

  constructor(options: DaemonAgentOptions) {
    this.#options = options;
  }

  start(service: AgentService): void {
    void this.#connect(service).catch((thrown) => {
      this.#trouble = coerceError(thrown);
      this.#cancel = this.#options.clock.after(AGAIN_MS, () => {
        if (!this.#isStopped) this.start(service);
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#handOff?.stop();
  }

  report(): AgentHandOffReport {
    return (
      this.#handOff?.report() ?? {
        nodeName: this.#nodeName,
        dialect: "",
        waitingFor: this.#trouble?.message ?? "the way to the Kubernetes API is being found",
        readAtMs: 0,
        writtenAtMs: 0,
        writes: 0,
        conflicts: 0,
        handshake: { asked: 0, letGo: 0, kept: 0 },
        waitingPods: 0,
        restoring: false,
      }
    );
  }

  trouble(): EnidError | undefined {
    return this.#handOff === undefined ? this.#trouble : this.#handOff.trouble();
  }

  get #nodeName(): string {
    return this.#options.values["kubernetes-node-name"] || this.#options.nodeName;
  }

  async #connect(service: AgentService): Promise<void> {
    const { values, clock, random, telemetry, holder } = this.#options;
    const [{ connectKubernetes }, { createCiliumNodeHandOff }] = await Promise.all([
      import("../kubernetes/index.ts"),
      import("../handoff/cilium-node/index.ts"),
    ]);
    const api = await connectKubernetes({ kubeconfig: values.kubeconfig, clock });
    if (this.#isStopped) return;
    this.#handOff = createCiliumNodeHandOff({
      api,
      clock,
      random,
      telemetry,
      nodeName: this.#nodeName,
      dialect: values["cilium-dialect"],
      watchPods: values["watch-pods"],
      startupTaint: values["startup-taint"],
      fullTaint: values["full-taint"],
      leaseNamespace: values["lease-namespace"],
      holder,
    });
    this.#trouble = undefined;
    this.#handOff.start(service);
  }
}
