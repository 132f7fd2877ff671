import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { defineCommand } from "../../src/cli/command.ts";
import { listenText, parseListenAddress } from "../../src/cli/listen-address.ts";
import { closest } from "../../src/cli/suggest.ts";
import { EnidError } from "../../src/errors.ts";

const command = defineCommand({
  name: "try",
  description: "",
  positionals: "FILE",
  positionalCount: [0, 1],
  flags: {
    json: { type: "boolean", help: "" },
    socket: { type: "string", value: "PATH", help: "", default: "/default", env: "TRY_SOCKET" },
    "read-eni-configuration": { type: "string", value: "FILE", help: "", alias: "read-cni-conf" },
    waiting: { type: "number", value: "N", help: "", range: [1, 50] },
    level: { type: "string", help: "", oneOf: ["low", "high"] },
  },
  examples: [],
  run: async () => 0,
});

function parse(argv: string[], environment: Record<string, string> = {}) {
  return parseArguments(command, argv, environment);
}

function refusal(argv: string[], environment: Record<string, string> = {}): string {
  try {
    parse(argv, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(EnidError);
    expect((error as EnidError).code).toBe("ENID_USAGE");
    expect((error as EnidError).remedy).toBe("Run `enid try --help`.");
    return (error as EnidError).message;
  }
  throw new Error("was not refused");
}

describe("the arguments of a command", () => {
  it("are flags in either spelling, their values, and positionals", () => {
    expect(parse(["--waiting=7", "file", "--read-cni-conf", "a.conf", "--json"])).toEqual({
      flags: { json: true, socket: "/default", "read-eni-configuration": "a.conf", waiting: 7, level: undefined },
      positionals: ["file"],
      help: false,
    });
  });

  it("come from the flag before the environment before the default", () => {
    expect(parse([]).flags.socket).toBe("/default");
    expect(parse([], { TRY_SOCKET: "/environment" }).flags.socket).toBe("/environment");
    expect(parse([], { TRY_SOCKET: "" }).flags.socket).toBe("/default");
    expect(parse(["--socket", "/flag"], { TRY_SOCKET: "/environment" }).flags.socket).toBe("/flag");
  });

  it("may end with -- so that a positional can begin with a dash", () => {
    expect(parse(["--", "--json"]).positionals).toEqual(["--json"]);
  });

  it("ask for help before anything else is checked", () => {
    expect(parse(["a", "b", "c", "--help", "--level=none"]).help).toBe(true);
  });

  it.each([
    [["--jsn"], "unknown flag --jsn; did you mean --json?"],
    [["--read-eni-config", "x"], "unknown flag --read-eni-config; did you mean --read-eni-configuration?"],
    [["--zzzzzz"], "unknown flag --zzzzzz"],
    [["-x"], "unknown flag -x"],
    [["--socket"], "--socket needs a value: --socket PATH"],
    [["--socket="], "--socket needs a value: --socket PATH"],
    [["--json=yes"], "--json takes no value"],
    [["--json", "--json"], "--json is given twice"],
    [["--read-cni-conf=a", "--read-eni-configuration=b"], "--read-eni-configuration is given twice"],
    [["a", "b"], '"b" is one argument too many'],
    [["--waiting", "0"], '--waiting cannot be "0"; allowed is a whole number from 1 to 50'],
    [["--waiting", "51"], '--waiting cannot be "51"; allowed is a whole number from 1 to 50'],
    [["--waiting", "1e1"], '--waiting cannot be "1e1"; allowed is a whole number from 1 to 50'],
    [["--level", "middle"], '--level cannot be "middle"; allowed are low, high'],
    [new Array(1_001).fill("x"), "more than 1000 arguments"],
  ])("refuse %j and say why", (argv, message) => {
    expect(refusal(argv as string[])).toBe(message);
  });

  it("never fail in another way, whatever is typed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom("--json", "--waiting", "--", "-", "--no-json", "=")), {
          maxLength: 6,
        }),
        (argv) => {
          try {
            parse(argv);
          } catch (error) {
            if (!(error instanceof EnidError)) throw error;
          }
        },
      ),
    );
  });
});

describe("the address to listen on", () => {
  it.each(["127.0.0.1:9610", "0.0.0.0:0", "[::1]:65535"])("may be %s", (text) => {
    expect(listenText(parseListenAddress(text, "run"))).toBe(text);
  });

  it.each(["", "9610", "127.0.0.1", "localhost:80", "127.0.0.1:65536", "::1:80", "[127.0.0.1:80", "256.0.0.1:1"])(
    "may not be %j",
    (text) => {
      expect(() => parseListenAddress(text, "run")).toThrow("allowed is ADDRESS:PORT");
    },
  );
});

describe("the suggestion", () => {
  it("is the nearest word, swapped letters included, and none when all are far", () => {
    expect(closest("statsu", ["status", "set", "run"])).toBe("status");
    expect(closest("rnu", ["status", "set", "run"])).toBe("run");
    expect(closest("sta", ["status", "set", "run"])).toBe("status");
    expect(closest("xyzzy", ["status", "set", "run"])).toBeUndefined();
  });

  it("of a known word is that word", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 9 }),
        (words) => {
          for (const word of words)
            if (!words.some((other) => other !== word && other.startsWith(word)))
              expect(closest(word, words)).toBe(word);
        },
      ),
    );
  });
});
