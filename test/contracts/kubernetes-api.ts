import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CILIUM_NODES,
  type KubernetesApi,
  type KubernetesObject,
  LEASES,
  NODES,
  PODS,
  type WatchEvent,
} from "../../src/handoff/cilium-node/api.ts";

export interface ApiLab {
  readonly api: KubernetesApi;
  /** Lets what was asked be answered. */
  settle<Answer>(promise: Promise<Answer>): Promise<Answer>;
  /** The server forgets what was before, and ends all watches. */
  compact(): void;
  bookmark(): void;
  close(): Promise<void>;
}

const node = (name: string, more: object = {}): KubernetesObject => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumNode",
  metadata: { name },
  spec: { "instance-id": "i-1", ipam: {} },
  ...more,
});
const code = (promise: Promise<unknown>) => promise.then(String, (error: { code?: string }) => error.code);

/** What each way to the Kubernetes API keeps. */
export function kubernetesApiContract(name: string, create: () => Promise<ApiLab>): void {
  describe(name, () => {
    let lab: ApiLab;
    beforeEach(async () => {
      lab = await create();
    });
    afterEach(() => lab.close());

    const does = <Answer>(promise: Promise<Answer>) => lab.settle(promise);

    it("gets what was created, and nothing where there is nothing", async () => {
      const made = await does(lab.api.create(CILIUM_NODES, node("n")));
      expect(made.metadata).toMatchObject({ name: "n", uid: expect.any(String), resourceVersion: expect.any(String) });
      expect(await does(lab.api.get(CILIUM_NODES, { name: "n" }))).toEqual(made);
      expect(await does(lab.api.get(CILIUM_NODES, { name: "other" }))).toBeUndefined();
    });

    it("creates a name once", async () => {
      await does(lab.api.create(CILIUM_NODES, node("n")));
      expect(await does(code(lab.api.create(CILIUM_NODES, node("n"))))).toBe("ENID_KUBERNETES_EXISTS");
    });

    it("keeps the status apart: it is neither created nor patched with the rest, nor the rest with it", async () => {
      await does(lab.api.create(CILIUM_NODES, node("n", { status: { ipam: { used: {} } } })));
      const patch = { spec: { "instance-id": "i-2" }, status: { ipam: { "operator-status": { error: "e" } } } };
      const spec = await does(lab.api.patch(CILIUM_NODES, { name: "n" }, patch));
      expect([spec.spec, spec.status]).toEqual([{ "instance-id": "i-2", ipam: {} }, undefined]);
      const other = { ...patch, spec: { "instance-id": "i-3" } };
      const status = await does(lab.api.patch(CILIUM_NODES, { name: "n" }, other, { subresource: "status" }));
      expect([status.spec, status.status]).toEqual([{ "instance-id": "i-2", ipam: {} }, patch.status]);
    });

    it("patches by RFC 7386: objects are merged, null takes away, lists are replaced", async () => {
      const pool = { a: { resource: "eni-1" }, b: { resource: "eni-1" } };
      await does(lab.api.create(CILIUM_NODES, node("n", { spec: { ipam: { pool, list: [1, 2] } } })));
      const patch = { spec: { ipam: { pool: { a: null, c: { resource: "eni-2" } }, list: [3] } } };
      const { spec } = await does(lab.api.patch(CILIUM_NODES, { name: "n" }, patch));
      expect(spec).toEqual({ ipam: { pool: { b: { resource: "eni-1" }, c: { resource: "eni-2" } }, list: [3] } });
    });

    it("patches only the version that is named", async () => {
      const { metadata } = await does(lab.api.create(CILIUM_NODES, node("n")));
      const { resourceVersion } = metadata;
      const patch = { metadata: { resourceVersion }, spec: { "instance-id": "i-2" } };
      const second = await does(lab.api.patch(CILIUM_NODES, { name: "n" }, patch));
      expect(second.metadata.resourceVersion).not.toBe(resourceVersion);
      const late = { ...patch, spec: { "instance-id": "i-3" } };
      expect(await does(code(lab.api.patch(CILIUM_NODES, { name: "n" }, late)))).toBe("ENID_KUBERNETES_CONFLICT");
      expect(await does(lab.api.get(CILIUM_NODES, { name: "n" }))).toEqual(second);
    });

    it("leaves the version of what a patch does not change", async () => {
      const made = await does(lab.api.create(CILIUM_NODES, node("n")));
      const same = await does(lab.api.patch(CILIUM_NODES, { name: "n" }, { spec: { "instance-id": "i-1" } }));
      expect(same.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
    });

    it("patches nothing that is not there, and deletes it without complaint", async () => {
      const patched = lab.api.patch(CILIUM_NODES, { name: "n" }, { spec: {} });
      expect(await does(code(patched))).toBe("ENID_KUBERNETES_NOT_FOUND");
      await does(lab.api.delete(CILIUM_NODES, { name: "n" }));
      await does(lab.api.create(CILIUM_NODES, node("n")));
      await does(lab.api.delete(CILIUM_NODES, { name: "n" }));
      expect(await does(lab.api.get(CILIUM_NODES, { name: "n" }))).toBeUndefined();
    });

    it("keeps namespaces apart, and has leases without a status of their own", async () => {
      const lease = (namespace: string): KubernetesObject => ({
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: "enid-n", namespace },
        spec: { holderIdentity: namespace, leaseDurationSeconds: 180 },
      });
      await does(lab.api.create(LEASES, lease("one")));
      await does(lab.api.create(LEASES, lease("two")));
      const name = { name: "enid-n", namespace: "two" };
      await does(lab.api.patch(LEASES, name, { spec: { holderIdentity: "me" } }));
      const [one, two] = [
        await does(lab.api.get(LEASES, { ...name, namespace: "one" })),
        await does(lab.api.get(LEASES, name)),
      ];
      expect([one?.spec, two?.spec]).toMatchObject([{ holderIdentity: "one" }, { holderIdentity: "me" }]);
    });

    it("lists by name and by node", async () => {
      await does(lab.api.create(CILIUM_NODES, node("n")));
      await does(lab.api.create(CILIUM_NODES, node("m")));
      const pod = (name: string, nodeName: string): KubernetesObject => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default" },
        spec: { nodeName, containers: [{ name: "c", image: "i" }] },
      });
      for (const [one, on] of [
        ["p", "n"],
        ["q", "m"],
      ] as const)
        await does(lab.api.create(PODS, pod(one, on)));
      const own = await does(lab.api.list(CILIUM_NODES, { fieldSelector: "metadata.name=n" }));
      const pods = await does(lab.api.list(PODS, { fieldSelector: "spec.nodeName=m" }));
      expect([own, pods].map(({ items }) => items.map(({ metadata }) => metadata.name))).toEqual([["n"], ["q"]]);
      expect(own.items[0]).toMatchObject({ apiVersion: "cilium.io/v2", kind: "CiliumNode" });
      expect(await does(lab.api.list(NODES, { fieldSelector: "metadata.name=n" }))).toMatchObject({ items: [] });
    });

    describe("a watch", () => {
      async function watched(fieldSelector = "metadata.name=n") {
        const { resourceVersion } = await does(lab.api.list(CILIUM_NODES, { fieldSelector }));
        const events: WatchEvent[] = [];
        const end = new AbortController();
        const begin = (from: string) =>
          code(lab.api.watch(CILIUM_NODES, { fieldSelector }, from, (event) => events.push(event), end.signal));
        const said = () => events.map((event) => (event.kind === "bookmark" ? "bookmark" : event.kind));
        const until = async (count: number) => {
          for (let tries = 0; tries < 400 && events.length < count; tries++)
            await does(new Promise<void>((resolve) => setTimeout(resolve, 5)));
          return said();
        };
        return { resourceVersion, events, end, begin, until };
      }

      it("tells every change of what is selected, in order, and nothing else", async () => {
        const { resourceVersion, begin, until, end, events } = await watched();
        const over = begin(resourceVersion);
        await does(lab.api.create(CILIUM_NODES, node("m")));
        await does(lab.api.create(CILIUM_NODES, node("n")));
        await does(lab.api.patch(CILIUM_NODES, { name: "n" }, { spec: { "instance-id": "i-2" } }));
        await does(lab.api.delete(CILIUM_NODES, { name: "n" }));
        expect(await until(3)).toEqual(["added", "modified", "deleted"]);
        const versions = events.map((event) => ("object" in event ? Number(event.object.metadata.resourceVersion) : 0));
        expect(versions).toEqual(versions.toSorted((a, b) => a - b));
        end.abort(new Error("enough"));
        expect(await does(over)).toBe("ENID_KUBERNETES_AWAY");
      });

      it("goes on from the version that it is resumed at", async () => {
        const { begin, until, end } = await watched();
        const { metadata } = await does(lab.api.create(CILIUM_NODES, node("n")));
        await does(lab.api.patch(CILIUM_NODES, { name: "n" }, { spec: { "instance-id": "i-2" } }));
        const over = begin(metadata.resourceVersion ?? "");
        expect(await until(1)).toEqual(["modified"]);
        end.abort(new Error("enough"));
        await does(over);
      });

      it("is gone when the server has forgotten the version, at its begin and in the middle", async () => {
        const first = await watched();
        const running = first.begin(first.resourceVersion);
        await first.until(0);
        await does(new Promise<void>((resolve) => setTimeout(resolve, 50)));
        lab.compact();
        expect(await does(running)).toBe("ENID_KUBERNETES_GONE");
        expect(await does(first.begin(first.resourceVersion))).toBe("ENID_KUBERNETES_GONE");
        const again = await watched();
        const over = again.begin(again.resourceVersion);
        await does(lab.api.create(CILIUM_NODES, node("n")));
        expect(await again.until(1)).toEqual(["added"]);
        again.end.abort(new Error("enough"));
        await does(over);
      });

      it("tells of bookmarks", async () => {
        const { resourceVersion, begin, until, end, events } = await watched();
        const over = begin(resourceVersion);
        await does(new Promise<void>((resolve) => setTimeout(resolve, 50)));
        lab.bookmark();
        expect(await until(1)).toEqual(["bookmark"]);
        expect(events[0]).toMatchObject({ resourceVersion: expect.stringMatching(/^\d+$/) });
        end.abort(new Error("enough"));
        await does(over);
      });
    });
  });
}
