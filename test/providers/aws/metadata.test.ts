import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import { readIdentity, readSecurityGroups } from "../../../src/providers/aws/metadata.ts";
import { MetadataClient } from "../../../src/providers/aws/metadata-client.ts";
import { readInterfaces } from "../../../src/providers/aws/metadata-interfaces.ts";
import { quickWorld, rejection, serve, type TestServer } from "./support.ts";

const MACS = "/latest/meta-data/network/interfaces/macs/";
const PRIMARY = "02:00:00:00:00:01";
const SECOND = "02:00:00:00:00:02";
const DOCUMENT = "/latest/dynamic/instance-identity/document";

/** Metadata of an instance with a primary interface; tests change the tree. */
function instanceTree(): Record<string, string> {
  return {
    [DOCUMENT]: JSON.stringify({
      instanceId: "i-0abc",
      instanceType: "m5.large",
      region: "eu-west-1",
      availabilityZone: "eu-west-1a",
      accountId: "123456789012",
    }),
    "/latest/meta-data/mac": PRIMARY,
    [MACS]: `${PRIMARY}/`,
    ...interfaceTree(PRIMARY, { id: "eni-1", deviceNumber: 0, addresses: "10.0.0.10\n10.0.0.11" }),
  };
}

function interfaceTree(mac: string, values: { id: string; deviceNumber: number; addresses: string }) {
  const folder = `${MACS}${mac}`;
  return {
    [`${folder}/interface-id`]: values.id,
    [`${folder}/device-number`]: String(values.deviceNumber),
    [`${folder}/vpc-id`]: "vpc-1",
    [`${folder}/vpc-ipv4-cidr-block`]: "10.0.0.0/16",
    [`${folder}/vpc-ipv4-cidr-blocks`]: "100.64.0.0/16\n10.0.0.0/16",
    [`${folder}/subnet-id`]: "subnet-1",
    [`${folder}/subnet-ipv4-cidr-block`]: "10.0.0.0/24",
    [`${folder}/local-ipv4s`]: values.addresses,
    [`${folder}/security-group-ids`]: "sg-1\nsg-2",
  };
}

describe("instance metadata", () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  async function client(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = await serve(answer);
    const metadata = new MetadataClient(quickWorld(), server.url);
    open.push(metadata, server);
    return { server, metadata };
  }

  /** Serves a tree with tokens; `before` may answer instead. */
  function withTree(
    tree: Record<string, string>,
    before: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
  ) {
    return client((request, response) => {
      if (before(request, response)) return;
      if (request.method === "PUT") {
        response.end("token-1");
        return;
      }
      const text = tree[request.url ?? ""];
      response.statusCode =
        request.headers["x-aws-ec2-metadata-token"] === undefined ? 401 : text === undefined ? 404 : 200;
      response.end(text);
    });
  }

  const puts = (server: TestServer) => server.requests.filter((request) => request.method === "PUT").length;

  it("reads who the node is, with one token for all reads", async () => {
    const { server, metadata } = await withTree(instanceTree());
    expect(await readIdentity(metadata)).toEqual({
      instanceId: "i-0abc",
      instanceType: "m5.large",
      region: "eu-west-1",
      availabilityZone: "eu-west-1a",
      accountId: "123456789012",
      vpcId: "vpc-1",
      primaryMac: PRIMARY,
      primaryInterfaceId: "eni-1",
      primarySubnetId: "subnet-1",
      vpcCidrs: ["10.0.0.0/16", "100.64.0.0/16"],
    });
    expect(await readSecurityGroups(metadata, PRIMARY)).toEqual(["sg-1", "sg-2"]);
    expect(puts(server)).toBe(1);
    expect(server.requests.every((request) => request.headers["x-forwarded-for"] === undefined)).toBe(true);
  });

  it("fetches one token for reads that begin together", async () => {
    const { server, metadata } = await withTree(instanceTree());
    await Promise.all(Array.from({ length: 6 }, () => metadata.text("/latest/meta-data/mac")));
    expect(puts(server)).toBe(1);
  });

  it("fetches one new token when several reads find the old one spent", async () => {
    let valid = "none";
    let issued = 0;
    const { server, metadata } = await client((request, response) => {
      if (request.method === "PUT") {
        valid = `token-${++issued}`;
        response.end(valid);
        return;
      }
      response.statusCode = request.headers["x-aws-ec2-metadata-token"] === valid ? 200 : 401;
      response.end("value");
    });
    expect(await metadata.text("/latest/meta-data/mac")).toBe("value");
    valid = "revoked";
    const texts = await Promise.all(Array.from({ length: 6 }, () => metadata.text("/latest/meta-data/mac")));
    expect(texts).toEqual(Array(6).fill("value"));
    expect(puts(server)).toBe(2);
  });

  it("gives up when a fresh token is refused as well", async () => {
    const { server, metadata } = await client((request, response) => {
      response.statusCode = request.method === "PUT" ? 200 : 401;
      response.end("token");
    });
    const error = await rejection(metadata.text("/latest/meta-data/mac"));
    expect(error).toMatchObject({ code: "ENID_METADATA_UNREACHABLE" });
    expect(String(error)).toContain("HTTP 401");
    expect(puts(server)).toBe(2);
  });

  it("renews the token before it ends", async () => {
    let nowMs = 0;
    const world = quickWorld();
    const clock = { ...world.clock, monotonicMs: () => nowMs };
    const server = await serve((_, response) => response.end("token"));
    const metadata = new MetadataClient({ ...world, clock }, server.url);
    open.push(metadata, server);
    await metadata.text("/latest/meta-data/mac");
    nowMs = 21_600_000 * 0.94;
    await metadata.text("/latest/meta-data/mac");
    expect(puts(server)).toBe(1);
    nowMs = 21_600_000 * 0.96;
    await metadata.text("/latest/meta-data/mac");
    expect(puts(server)).toBe(2);
  });

  it("tries again after 5xx and lost connections", async () => {
    const troubles = [503, "reset"] as const;
    let reads = 0;
    const { metadata } = await withTree(instanceTree(), (request, response) => {
      if (request.method === "PUT") return false;
      const trouble = troubles[reads++];
      if (trouble === "reset") request.socket.resetAndDestroy();
      else if (trouble !== undefined) response.writeHead(trouble).end();
      return trouble !== undefined;
    });
    expect(await metadata.text("/latest/meta-data/mac")).toBe(PRIMARY);
    expect(reads).toBe(3);
  });

  it("stops after the limit of attempts and names the last answer", async () => {
    const { server, metadata } = await withTree({}, (request, response) => {
      if (request.method === "PUT") return false;
      response.writeHead(500).end();
      return true;
    });
    const error = await rejection(metadata.text("/latest/meta-data/mac"));
    expect(error).toBeInstanceOf(EnidError);
    expect(String(error)).toContain("GET /latest/meta-data/mac was answered with HTTP 500");
    expect(server.requests.filter((request) => request.method === "GET")).toHaveLength(3);
  });

  it("names the hop limit when the token request hangs", async () => {
    const { metadata } = await client(() => undefined);
    const error = (await rejection(metadata.text("/latest/meta-data/mac"))) as EnidError;
    expect(error.code).toBe("ENID_METADATA_UNREACHABLE");
    expect(error.message).toContain("PUT /latest/api/token got no answer within 200 ms");
    expect(error.message).toContain("HttpPutResponseHopLimit is 1");
    expect(error.remedy).toContain("HttpPutResponseHopLimit 2");
  });

  it("says that metadata may be disabled when it answers 403", async () => {
    const { metadata } = await client((_, response) => response.writeHead(403).end());
    expect(String(await rejection(metadata.text("/latest/meta-data/mac")))).toContain("disabled");
  });

  it("refuses an answer that is far too large", async () => {
    const { metadata } = await client((request, response) => {
      response.end(request.method === "PUT" ? "token" : Buffer.alloc(300 * 1024, "x"));
    });
    expect(String(await rejection(metadata.text("/latest/meta-data/mac")))).toContain("exceeds");
  });

  it("stops at once when the caller cancels", async () => {
    const { metadata } = await withTree({}, (request) => request.method === "GET");
    const stop = new AbortController();
    const read = rejection(metadata.text("/latest/meta-data/mac", stop.signal));
    stop.abort(new Error("shutting down"));
    expect(await read).toMatchObject({ message: "cancelled by the caller", cause: { message: "shutting down" } });
  });

  it("waits no longer for the rest of an answer than for its beginning", async () => {
    const { metadata } = await withTree({}, (request, response) => {
      if (request.method === "GET") response.writeHead(200, { "content-length": "20" }).write("10.0.0.10");
      return request.method === "GET";
    });
    const error = await rejection(metadata.text("/latest/meta-data/mac"));
    expect(String(error)).toContain("GET /latest/meta-data/mac got no answer within 200 ms");
  });

  it("names the path that is missing from the identity", async () => {
    const tree = instanceTree();
    delete tree[`${MACS}${PRIMARY}/vpc-id`];
    const { metadata } = await withTree(tree);
    const error = await rejection(readIdentity(metadata));
    expect(error).toMatchObject({ code: "ENID_METADATA_INCOMPLETE" });
    expect(String(error)).toContain(`${MACS}${PRIMARY}/vpc-id`);
  });

  it("names the field that is missing from the identity document", async () => {
    const { metadata } = await withTree({ ...instanceTree(), [DOCUMENT]: '{"instanceId":"i-1"}' });
    expect(String(await rejection(readIdentity(metadata)))).toContain("instanceType in /latest/dynamic");
  });

  it("reads interfaces with addresses, the primary one first", async () => {
    const tree = {
      ...instanceTree(),
      [MACS]: `${PRIMARY}/\n${SECOND}/\n`,
      ...interfaceTree(SECOND, { id: "eni-2", deviceNumber: 1, addresses: "10.0.0.20" }),
      [`${MACS}${SECOND}/ipv4-prefix`]: "10.0.0.32/28",
    };
    const { metadata } = await withTree(tree);
    const { interfaces, unreadable } = await readInterfaces(metadata, PRIMARY);
    expect(unreadable).toEqual([]);
    expect(interfaces).toMatchObject([
      {
        id: "eni-1",
        mac: PRIMARY,
        deviceIndex: 0,
        networkCard: 0,
        addresses: ["10.0.0.10", "10.0.0.11"],
        prefixes: [],
      },
      { id: "eni-2", mac: SECOND, deviceIndex: 1, addresses: ["10.0.0.20"], prefixes: ["10.0.0.32/28"] },
    ]);
    expect(interfaces[0]).toMatchObject({ subnetCidr: "10.0.0.0/24", securityGroups: ["sg-1", "sg-2"] });
  });

  it("counts a mac without its keys as unreadable", async () => {
    const { metadata } = await withTree({ ...instanceTree(), [MACS]: `${PRIMARY}/\n${SECOND}/` });
    const { interfaces, unreadable } = await readInterfaces(metadata, PRIMARY);
    expect(interfaces.map((one) => one.id)).toEqual(["eni-1"]);
    expect(unreadable).toEqual([SECOND]);
  });

  it("does not believe device-number 0 of any but the primary mac", async () => {
    const tree: Record<string, string> = {
      ...instanceTree(),
      [MACS]: `${PRIMARY}/\n${SECOND}/`,
      ...interfaceTree(SECOND, { id: "eni-2", deviceNumber: 0, addresses: "10.0.0.20" }),
    };
    const { metadata } = await withTree(tree);
    expect((await readInterfaces(metadata, PRIMARY)).unreadable).toEqual([SECOND]);
    tree[`${MACS}${SECOND}/network-card`] = "1";
    expect((await readInterfaces(metadata, PRIMARY)).unreadable).toEqual([]);
  });

  it("reads IPv6 prefixes in the one form, and takes a missing key for none", async () => {
    const tree = {
      ...instanceTree(),
      [`${MACS}${PRIMARY}/ipv6-prefix`]: "2001:DB8:0001:0:abcd::/80\n2001:db8:1:0:beef:0:0:0/80\n",
    };
    const { metadata } = await withTree(tree);
    expect((await readInterfaces(metadata, PRIMARY)).interfaces).toMatchObject([
      { prefixes: [], ipv6Prefixes: ["2001:db8:1:0:abcd::/80", "2001:db8:1:0:beef::/80"], complete: true },
    ]);
  });

  it.each(["ipv4-prefix", "ipv6-prefix"])(
    "keeps the rest of an interface whose %s cannot be read, as incomplete",
    async (key) => {
      const tree = { ...instanceTree(), [`${MACS}${PRIMARY}/${key}`]: "unreachable" };
      const { metadata } = await withTree(tree, (request, response) => {
        const refused = request.url === `${MACS}${PRIMARY}/${key}`;
        if (refused) response.writeHead(503).end();
        return refused;
      });
      const { interfaces, unreadable } = await readInterfaces(metadata, PRIMARY);
      expect(unreadable).toEqual([]);
      expect(interfaces).toMatchObject([{ id: "eni-1", addresses: ["10.0.0.10", "10.0.0.11"], complete: false }]);
    },
  );

  it("does not take for a prefix what is cut off in the middle", async () => {
    for (const [key, text] of [
      ["ipv4-prefix", "10.0.0.32/28\n10.0.0.4"],
      ["ipv6-prefix", "2001:db8:1:0:ab"],
    ]) {
      const { metadata } = await withTree({ ...instanceTree(), [`${MACS}${PRIMARY}/${key}`]: text ?? "" });
      const [seen] = (await readInterfaces(metadata, PRIMARY)).interfaces;
      expect(seen).toMatchObject({ prefixes: [], ipv6Prefixes: [], complete: false });
    }
  });

  it("shows no addresses as undefined, not as none", async () => {
    const tree = instanceTree();
    delete tree[`${MACS}${PRIMARY}/local-ipv4s`];
    const { metadata } = await withTree(tree);
    expect((await readInterfaces(metadata, PRIMARY)).interfaces[0]?.addresses).toBeUndefined();
  });
});
