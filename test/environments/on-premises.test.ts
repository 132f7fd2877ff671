import { expect } from "vitest";
import { until } from "./commands.ts";
import { environmentContract, withStreams } from "./contract.ts";
import { makeOnPremisesEnvironment } from "./on-premises-environment.ts";

environmentContract("on-premises", makeOnPremisesEnvironment, {
  also: (test) => {
    test("nodes learn no routes, sessions and what they announce are in the status", async ({ environment }) => {
      for (const node of environment.nodes) {
        expect((await node.namespace.ip("route", "show", "proto", "bird")).trim()).toBe("");
        const { reach = [] } = await node.settled();
        const [bird] = reach.filter(({ kind }) => kind === "bird");
        expect(bird).toMatchObject({
          announced: [
            expect.stringMatching(/^10\.61\.10\d\.0\/24$/),
            expect.stringMatching(/^2001:db8:61:10\d::\/64$/),
          ],
          sessions: environment.leaves.map(() => ({ up: true, exported: 2 })),
        });
      }
    });

    test("a leaf dies: traffic goes on over the other one; it comes back: both are used again", async (stage) => {
      const { environment } = stage;
      const [leaf] = environment.leaves;
      const { spine } = environment;
      await withStreams(stage, async (flow) => {
        await leaf?.die();
        await flow("after a leaf died");
        await until(
          "the spine has no route over the dead leaf",
          async () => !(await spine.namespace.ip("route", "show", "proto", "bird")).includes("dev leaf1"),
        );
        await flow("when the network has taken notice");
        await stage.first.pod("p1").host.reaches(environment.outside);
        await leaf?.revive();
        await environment.announced();
        await flow("after the leaf came back");
      });
    });
  },
});
