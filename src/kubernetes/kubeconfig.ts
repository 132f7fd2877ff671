import { access } from "node:fs/promises";
import type { RequestOptions } from "node:https";
// The whole of the library holds every API of Kubernetes; its configuration is a file of its own.
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { coerceError, EnidError } from "../errors.ts";

/** The API server, and who asks it. */
export interface Cluster {
  /** "https://10.0.0.1:6443", without a slash at the end. */
  readonly server: string;
  /** Credentials, as they are now: tokens and certificates rotate. */
  authorize(options: RequestOptions): Promise<void>;
}

/** @throws EnidError ENID_KUBERNETES_CONFIGURATION. */
export async function readKubeconfig(file: string): Promise<Cluster> {
  const read = async (): Promise<KubeConfig> => {
    const config = new KubeConfig();
    if (file === "") {
      config.loadFromCluster();
      // Outside of a pod the library makes up an address.
      if (process.env.KUBERNETES_SERVICE_HOST === undefined) throw new Error("there is no service account here");
    } else {
      await access(file);
      config.loadFromFile(file);
    }
    return config;
  };
  try {
    const server = (await read()).getCurrentCluster()?.server.replace(/\/+$/, "");
    if (server === undefined || !/^https?:\/\//.test(server)) throw new Error("no current context names a server");
    return {
      server,
      // Read anew each time: a kubeconfig is replaced when its certificate is renewed.
      authorize: async (options) => (await read()).applyToHTTPSOptions(options),
    };
  } catch (thrown) {
    const where = file === "" ? "the pod's service account" : file;
    throw new EnidError(
      "ENID_KUBERNETES_CONFIGURATION",
      { detail: `${where}: ${coerceError(thrown).message}` },
      { cause: thrown },
    );
  }
}
