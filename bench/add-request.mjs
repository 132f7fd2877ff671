// The request of native/enid-ipam as a Node script would send it: what the plugin would cost without C.
import { readFileSync } from "node:fs";
import { request } from "node:http";

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("CNI_")));
const body = JSON.stringify({ environment, stdin: readFileSync(0, "utf8") });
const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
const call = request({ socketPath: process.env.ENID_SOCKET, method: "POST", path: "/cni", headers }, (response) => {
  process.exitCode = Number(response.headers["x-enid-exit"]);
  response.pipe(process.stdout);
});
call.setTimeout(60_000, () => call.destroy(new Error("no answer within 60 s")));
call.end(body);
