import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/adapters/index.ts";
import { askBird, BirdSilent } from "../../../src/handoff/bird/control.ts";
import { Bird } from "../../support/bird.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { testFolder } from "./helpers.ts";

const folder = testFolder();
let number = 0;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A server that does with each connection what it is told to. */
async function serve(talk: (socket: Socket) => void): Promise<string> {
  const path = join(folder, `${number++}.ctl`);
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return path;
}

describe("the control socket", () => {
  it("answers each command, however the bytes are cut", async () => {
    const answer = "1000-BIRD 2\n1011-Router\n two\n+async\n0013 up ü\n";
    const path = await serve((socket) => {
      socket.write("0001 BIRD");
      setImmediate(() => socket.write(" ready.\n"));
      socket.on("data", () => {
        let at = 0;
        const bytes = Buffer.from(answer);
        const next = () => {
          socket.write(bytes.subarray(at, ++at));
          if (at < bytes.length) setImmediate(next);
        };
        next();
      });
    });
    const expected = {
      code: 13,
      lines: [
        { code: 1000, text: "BIRD 2" },
        { code: 1011, text: "Router" },
        { code: 1011, text: "two" },
        { code: 13, text: "up ü" },
      ],
    };
    expect(await askBird({ socket: path, clock: systemClock }, ["a", "b"])).toEqual([expected, expected]);
  });

  it("talks with BIRD itself", async () => {
    const bird = new Bird({ folder: join(folder, "real"), configuration: "router id 10.0.0.1;\nprotocol device {}\n" });
    await bird.start();
    ends.push(() => bird.stop());
    const answers = await askBird({ socket: bird.socket, clock: systemClock }, [
      "show status",
      "nonsense",
      "show protocols",
    ]);
    expect(answers.map(({ code }) => code)).toEqual([13, 9001, 0]);
    expect(answers[0]?.lines).toContainEqual({ code: 1011, text: "Router ID is 10.0.0.1" });
    await bird.stop();
    await expect(askBird({ socket: bird.socket, clock: systemClock }, ["show status"])).rejects.toMatchObject({
      away: true,
    });
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ["hangs up", (socket) => socket.end(), "BIRD hung up on"],
    ["hangs up in the middle", (socket) => socket.end("0001 BIRD ready.\n0013-on"), "BIRD hung up on"],
    ["is something else", (socket) => socket.write("220 mail\n"), 'what answers is not BIRD: "220 mail"'],
    ["has another greeting", (socket) => socket.write("0013 up\n"), 'what answers is not BIRD: "0013 up"'],
    ["answers without end", flood, "BIRD answered more than 4194304 bytes"],
  ])("refuses one that %s", async (_what, talk, message) => {
    const path = await serve(talk);
    const error = await askBird({ socket: path, clock: systemClock }, ["show status"]).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(BirdSilent);
    expect(error).toMatchObject({ message: expect.stringContaining(message), away: false });
  });

  it("waits 5 s for one that says nothing", async () => {
    const clock = new VirtualClock();
    const arrived = Promise.withResolvers<void>();
    const path = await serve(() => arrived.resolve());
    const asked = expect(askBird({ socket: path, clock }, ["show status"])).rejects.toThrow(
      /did not answer on .* within 5 s/,
    );
    await arrived.promise;
    await clock.advance(5_000);
    await asked;
  });

  it("is left at once when it is told to", async () => {
    const stop = new AbortController();
    const path = await serve(() => stop.abort());
    const access = { socket: path, clock: systemClock, signal: stop.signal };
    await expect(askBird(access, ["show status"])).rejects.toThrow("enid stops");
  });

  it("says when nothing is there", async () => {
    const path = join(folder, "nothing.ctl");
    await expect(askBird({ socket: path, clock: systemClock }, [])).rejects.toMatchObject({
      away: true,
      message: expect.stringMatching(/ENOENT/),
    });
  });
});

function flood(socket: Socket): void {
  socket.write("0001 BIRD ready.\n");
  const line = `1000-${"x".repeat(60_000)}\n`;
  const more = () => {
    while (!socket.destroyed && socket.write(line));
  };
  socket.on("drain", more);
  more();
}
