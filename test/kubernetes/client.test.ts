import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { CILIUM_NODES } from "../../src/handoff/cilium-node/api.ts";
import { connectKubernetes } from "../../src/kubernetes/index.ts";
import { KubernetesModel, serveKubernetes } from "../../src/simulator/kubernetes/index.ts";
import { kubernetesApiContract } from "../contracts/kubernetes-api.ts";
import { makeCertificates } from "../support/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "enid-kubernetes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const certificates = makeCertificates(folder);
const tls = {
  key: readFileSync(certificates.server.key, "utf8"),
  cert: readFileSync(certificates.server.certificate, "utf8"),
};
let files = 0;

function kubeconfig(server: string, token = "secret-of-the-test", ca = certificates.ca): string {
  const file = join(folder, `kubeconfig-${++files}`);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "certificate-authority": ca } }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

kubernetesApiContract("the Kubernetes API by its client, over HTTPS", async () => {
  const model = new KubernetesModel({ nowMs: () => Date.now() });
  const front = await serveKubernetes({ model, token: "secret-of-the-test", tls });
  return {
    api: await connectKubernetes({ kubeconfig: kubeconfig(front.url), clock: systemClock }),
    settle: (promise) => promise,
    compact: () => model.endWatches(true),
    bookmark: () => model.bookmark(),
    close: () => front.close(),
  };
});

describe("the client of the Kubernetes API", () => {
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => ({ code: "none", message: "" }),
      (error: { code: string; message: string }) => error,
    );

  async function serve(listener: RequestListener): Promise<{ url: string; close: () => void }> {
    const server = createServer(tls, listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const close = () => {
      server.closeAllConnections();
      server.close();
    };
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
  }

  const serverThat = (status: number, body: string) =>
    serve((_, response) => {
      response.writeHead(status);
      response.end(body);
    });

  it("trusts nobody but the authority that its configuration names", async () => {
    const server = await serverThat(200, '{"metadata":{"name":"n"}}');
    const api = await connectKubernetes({ kubeconfig: kubeconfig(server.url), clock: systemClock });
    expect(await api.get(CILIUM_NODES, { name: "n" })).toEqual({ metadata: { name: "n" } });
    const other = makeCertificates(mkdtempSync(join(folder, "other-"))).ca;
    const wrong = await connectKubernetes({ kubeconfig: kubeconfig(server.url, "t", other), clock: systemClock });
    expect(await failure(wrong.get(CILIUM_NODES, { name: "n" }))).toMatchObject({
      code: "ENID_KUBERNETES_AWAY",
      message: expect.stringMatching(/certificate/),
    });
    server.close();
  });

  it("says what is wrong with its configuration, by the file", async () => {
    const missing = await failure(connectKubernetes({ kubeconfig: join(folder, "none"), clock: systemClock }));
    expect(missing).toMatchObject({ code: "ENID_KUBERNETES_CONFIGURATION", message: expect.stringContaining("none") });
    const empty = join(folder, "empty");
    writeFileSync(empty, "{}");
    expect(await failure(connectKubernetes({ kubeconfig: empty, clock: systemClock }))).toMatchObject({
      code: "ENID_KUBERNETES_CONFIGURATION",
    });
    const outside = await failure(connectKubernetes({ kubeconfig: "", clock: systemClock }));
    expect(outside).toMatchObject({
      code: "ENID_KUBERNETES_CONFIGURATION",
      message: expect.stringContaining("service account"),
    });
  });

  it("is denied with another token, and tells none in what it says", async () => {
    const front = await serveKubernetes({ model: new KubernetesModel({ nowMs: () => 0 }), token: "right", tls });
    const api = await connectKubernetes({ kubeconfig: kubeconfig(front.url, "wrong-and-secret"), clock: systemClock });
    const error = await failure(api.get(CILIUM_NODES, { name: "n" }));
    await front.close();
    expect(error.code).toBe("ENID_KUBERNETES_DENIED");
    expect(JSON.stringify(error) + String(error)).not.toContain("wrong-and-secret");
  });

  it.each([
    [500, "{}", "ENID_KUBERNETES_AWAY"],
    [503, "no JSON", "ENID_KUBERNETES_AWAY"],
    [429, "{}", "ENID_KUBERNETES_AWAY"],
    [403, '{"message":"no rights"}', "ENID_KUBERNETES_DENIED"],
    [422, '{"message":"spec.ipam: wrong"}', "ENID_KUBERNETES_REFUSED"],
    [200, "no JSON", "ENID_KUBERNETES_AWAY"],
    [200, "{}", "ENID_KUBERNETES_REFUSED"],
  ])("takes a %i with %s for %s", async (status, text, code) => {
    const server = await serverThat(status, text);
    const api = await connectKubernetes({ kubeconfig: kubeconfig(server.url), clock: systemClock });
    expect(await failure(api.get(CILIUM_NODES, { name: "n" }))).toMatchObject({ code });
    server.close();
  });

  it("ends a call that nobody answers, by its limit and by its signal", async () => {
    const { url, close } = await serve(() => undefined);
    const api = await connectKubernetes({ kubeconfig: kubeconfig(url), clock: systemClock, callLimitMs: 200 });
    const late = await failure(api.get(CILIUM_NODES, { name: "n" }));
    expect(late).toMatchObject({
      code: "ENID_KUBERNETES_AWAY",
      message: expect.stringContaining("no answer within 0.2 s"),
    });
    const patient = await connectKubernetes({ kubeconfig: kubeconfig(url), clock: systemClock });
    const abort = new AbortController();
    const given = failure(patient.get(CILIUM_NODES, { name: "n" }, abort.signal));
    abort.abort(new Error("the daemon stops"));
    expect(await given).toMatchObject({
      code: "ENID_KUBERNETES_AWAY",
      message: expect.stringContaining("the daemon stops"),
    });
    close();
  });
});
