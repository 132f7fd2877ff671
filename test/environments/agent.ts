/**
 * Runs inside of a network namespace: answers TCP on ECHO_PORT and carries out the commands that come as JSON lines on
 * standard input. An accepted connection is first told the address that it comes from, on a line, then hears all it says.
 */
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { type AgentCommand, type AgentReply, ECHO_PORT, type StreamProgress } from "./agent-protocol.ts";

const CONNECT_LIMIT_MS = 5_000;
const MESSAGE_BYTES = 16;
const STREAM_PAUSE_MS = 5;

createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.write(`${socket.remoteAddress?.replace(/^::ffff:/, "")}\n`);
  socket.pipe(socket);
}).listen({ host: "::", port: ECHO_PORT }, () => say({ id: 0 }));

const streams = new Map<number, { socket: Socket; progress: StreamProgress }>();

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, command } = JSON.parse(line) as { id: number; command: AgentCommand };
    carryOut(id, command).then(
      (value) => say({ id, value }),
      (error: Error) => say({ id, error: error.message }),
    );
  })
  .on("close", () => process.exit(0));

function say(reply: AgentReply): void {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

async function carryOut(id: number, command: AgentCommand): Promise<unknown> {
  if (command.kind === "exchange") return exchange(command.host, command.bytes);
  if (command.kind === "stream") return stream(id, command.host);
  const found = streams.get(command.stream);
  if (found === undefined) throw new Error(`there is no stream ${command.stream}`);
  if (command.kind === "end") found.socket.destroy();
  return found.progress;
}

/** Sends so many bytes, hears them back, and answers the address that the other side saw. */
async function exchange(host: string, bytes: number): Promise<string> {
  const { socket, seenAs, rest } = await call(host);
  const sent = Buffer.alloc(bytes, 0x65);
  try {
    return await limited(`${bytes} bytes back from ${host}`, (resolve, reject) => {
      let heard = rest.length;
      socket.on("data", (part: Buffer) => {
        heard += part.length;
        if (heard >= sent.length) resolve(seenAs);
      });
      socket.once("close", () => reject(new Error(`${host} closed after ${heard} of ${bytes} bytes`)));
      socket.once("error", reject);
      socket.end(sent);
    });
  } finally {
    socket.destroy();
  }
}

/** Sends a message every few milliseconds until it is ended, and counts those that come back. */
async function stream(id: number, host: string): Promise<string> {
  const { socket, seenAs } = await call(host);
  const progress: StreamProgress = { echoed: 0, brokenBy: "" };
  streams.set(id, { socket, progress });
  let heardBytes = 0;
  socket.on("data", (part: Buffer) => {
    heardBytes += part.length;
    progress.echoed = Math.floor(heardBytes / MESSAGE_BYTES);
  });
  const message = Buffer.alloc(MESSAGE_BYTES, 0x65);
  const sending = setInterval(() => {
    if (socket.writableLength === 0) socket.write(message);
  }, STREAM_PAUSE_MS);
  socket.on("error", (error) => {
    progress.brokenBy = error.message;
  });
  socket.once("close", () => {
    clearInterval(sending);
    progress.brokenBy ||= "closed";
  });
  return seenAs;
}

function call(host: string): Promise<{ socket: Socket; seenAs: string; rest: Buffer }> {
  const socket = connect({ host, port: ECHO_PORT, noDelay: true });
  return limited<{ socket: Socket; seenAs: string; rest: Buffer }>(`a connection to ${host}`, (resolve, reject) => {
    socket.once("error", reject);
    socket.once("data", (part: Buffer) => {
      const end = part.indexOf("\n");
      socket.off("error", reject);
      resolve({ socket, seenAs: part.toString("latin1", 0, end), rest: part.subarray(end + 1) });
    });
  }).catch((error) => {
    socket.destroy();
    throw error;
  });
}

function limited<Value>(
  what: string,
  begin: (resolve: (value: Value) => void, reject: (error: Error) => void) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not within ${CONNECT_LIMIT_MS} ms: ${what}`)), CONNECT_LIMIT_MS);
    const settled = <Argument>(settle: (argument: Argument) => void) => {
      return (argument: Argument) => {
        clearTimeout(late);
        settle(argument);
      };
    };
    begin(settled(resolve), settled(reject));
  });
}
