/**
 * Runs inside of a network namespace: `relay.ts ADDRESS PORT=SOCKET …` listens on the ports of the address and hands each
 * connection to the Unix socket beside it, which all namespaces share. So what listens on loopback is reached from there.
 */
import { connect, createServer } from "node:net";
import { pipeline } from "node:stream";

const [host = "", ...ways] = process.argv.slice(2);
let opening = ways.length;
for (const way of ways) {
  const [port, ...rest] = way.split("=");
  createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ path: rest.join("="), allowHalfOpen: true });
    // One that breaks takes the other with it; that is all there is to say about it.
    pipeline(client, server, () => {});
    pipeline(server, client, () => {});
  }).listen({ host, port: Number(port) }, () => {
    opening -= 1;
    if (opening === 0) process.stdout.write("listening\n");
  });
}
process.stdin.resume().on("end", () => process.exit(0));
