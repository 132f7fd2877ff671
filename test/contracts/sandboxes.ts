import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sandboxes } from "../../src/manager/ports/index.ts";
import type { Sandbox } from "../../src/pool/index.ts";

/** Namespaces as a runtime makes them, and what sees them. */
export interface SandboxesUnderTest {
  readonly sandboxes: Sandboxes;
  path(name: string): string;
  open(name: string): void;
  close(name: string): void;
  /** Another namespace takes the place of the one at this name. */
  replace(name: string): void;
  /** The folder of all of them cannot be seen any more, or can be seen again. */
  hide(): void;
  show(): void;
  dispose(): void;
}

/** What every implementation of the port must do. */
export function sandboxesContract(what: string, create: () => SandboxesUnderTest): void {
  describe(`${what} passes the contract of sandboxes`, () => {
    let lab: SandboxesUnderTest;

    beforeEach(() => {
      lab = create();
      for (const name of ["a", "b"]) lab.open(name);
    });
    afterEach(() => lab.dispose());

    async function seen(name: string): Promise<Sandbox> {
      const sandbox = await lab.sandboxes.identify(lab.path(name));
      if (sandbox === undefined) throw new Error(`${name} is not seen`);
      return sandbox;
    }

    it("each has a path, an identity of its own, and a folder", async () => {
      const [a, b] = [await seen("a"), await seen("b")];
      expect(a.path).toBe(lab.path("a"));
      expect(a.identity).toMatch(/^\d+:\d+$/);
      expect(a.identity).not.toBe(b.identity);
      expect(a.folder).toBe(b.folder);
      expect(await seen("a")).toEqual(a);
    });

    it("what is not there is not seen", async () => {
      lab.close("a");
      expect(await lab.sandboxes.identify(lab.path("a"))).toBeUndefined();
      expect(await lab.sandboxes.identify(lab.path("never"))).toBeUndefined();
    });

    it("each is judged by itself, in the order asked", async () => {
      const [a, b] = [await seen("a"), await seen("b")];
      expect(await lab.sandboxes.look([a, b])).toEqual(["there", "there"]);
      lab.close("b");
      expect(await lab.sandboxes.look([b, a, b])).toEqual(["gone", "there", "gone"]);
      expect(await lab.sandboxes.look([])).toEqual([]);
    });

    it("another one at the same path is another sandbox", async () => {
      const a = await seen("a");
      lab.replace("a");
      expect(await lab.sandboxes.look([a])).toEqual(["gone"]);
      expect(await lab.sandboxes.look([await seen("a")])).toEqual(["there"]);
    });

    it("nothing is said of what cannot be seen", async () => {
      const a = await seen("a");
      lab.hide();
      expect(await lab.sandboxes.look([a])).toEqual(["unknown"]);
      expect(await lab.sandboxes.identify(lab.path("a"))).toBeUndefined();
      lab.show();
      expect(await lab.sandboxes.look([a])).toEqual(["there"]);
    });
  });
}
