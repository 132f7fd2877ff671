import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, it, vi } from "vitest";
import { printable, standardOutput } from "../../src/cli/output.ts";
import { ROOT } from "./run-enid.ts";

describe("the output of a command", () => {
  const { isTTY } = process.stdout;
  afterEach(() => {
    process.stdout.isTTY = isTTY;
    vi.restoreAllMocks();
  });

  it.each([
    [true, {}, true],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "" }, true],
    [true, { TERM: "dumb" }, false],
    [false, {}, false],
  ])("at a terminal (%s) with %o is coloured: %s", (terminal, environment, coloured) => {
    process.stdout.isTTY = terminal;
    expect(standardOutput(environment).style("red", "x")).toBe(coloured ? "\u001b[31mx\u001b[39m" : "x");
  });

  it("lets nothing from outside steer the terminal", () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    standardOutput({}).line("tag \u001b]0;title\u0007 \u001b[2J \u009b31m\r\n\u001b[31mred\u001b[39m");
    expect(write).toHaveBeenCalledWith("tag \ufffd]0;title\ufffd \ufffd[2J \ufffd31m\ufffd\n\u001b[31mred\u001b[39m\n");
    expect(printable("Ünïcode ✓ 日本")).toBe("Ünïcode ✓ 日本");
  });
});

describe("the commands that people type often", () => {
  it.each([[["--help"]], [["version"]], [["status"]], [["plan"]], [["explain", "shop/cart-0"]]])(
    "load no library at all: %j",
    (argv) => {
      const script = `
        import { registerHooks } from "node:module";
        const libraries = [];
        registerHooks({ load(url, context, next) {
          if (url.includes("/node_modules/")) libraries.push(url);
          return next(url, context);
        } });
        const { runCommandLine } = await import("./src/cli/index.ts");
        await runCommandLine(${JSON.stringify([...argv])}, { ENID_SOCKET: "/nonexistent/enid.sock" });
        console.log("libraries " + JSON.stringify(libraries));`;
      const ended = spawnSync(process.execPath, ["--input-type=module", "-e", script], { cwd: ROOT });
      expect(ended.stdout.toString()).toContain("libraries []\n");
    },
  );
});
