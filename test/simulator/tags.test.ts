import { CreateTagsCommand, DeleteTagsCommand, DescribeTagsCommand } from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CARD_NODE, errorOf, NODE, NODE_SUBNET, PRIMARY, type Running, running } from "./support.ts";

let run: Running;
beforeEach(async () => {
  run = await running();
});
afterEach(() => run.close());

const tag = (Resources: string[], tags: Record<string, string>) =>
  run.ec2.send(
    new CreateTagsCommand({ Resources, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }),
  );
const tagsOf = async (id: string) => {
  const { Tags } = await run.ec2.send(new DescribeTagsCommand({ Filters: [{ Name: "resource-id", Values: [id] }] }));
  return Object.fromEntries((Tags ?? []).map((one) => [one.Key, one.Value]));
};

test("CreateTags overwrites, on several kinds of resources at once", async () => {
  await tag([PRIMARY, NODE_SUBNET], { a: "1", b: "2" });
  await tag([PRIMARY], { a: "3" });
  expect(await tagsOf(PRIMARY)).toEqual({ a: "3", b: "2" });
  expect(await tagsOf(NODE_SUBNET)).toEqual({ Name: "nodes", pods: "true", a: "1", b: "2" });
});

test("DeleteTags removes by key, by key and value, and everything", async () => {
  await tag([PRIMARY], { a: "1", b: "2", c: "3" });
  const remove = (Tags?: { Key: string; Value?: string }[]) =>
    run.ec2.send(new DeleteTagsCommand({ Resources: [PRIMARY], Tags }));
  await remove([{ Key: "a" }, { Key: "b", Value: "other" }]);
  expect(await tagsOf(PRIMARY)).toEqual({ b: "2", c: "3" });
  await remove();
  expect(await tagsOf(PRIMARY)).toEqual({});
  await run.ec2.send(new DeleteTagsCommand({ Resources: [CARD_NODE] }));
  expect(await tagsOf(CARD_NODE), "AWS's own tags stay").toEqual({ "aws:autoscaling:groupName": "cards" });
});

test("CreateTags is all or nothing and has limits", async () => {
  expect((await errorOf(tag([PRIMARY, "eni-0000000000000ffff"], { a: "1" }))).name).toBe(
    "InvalidNetworkInterfaceID.NotFound",
  );
  expect((await errorOf(tag([PRIMARY, "xyz-0000000000000ffff"], { a: "1" }))).name).toBe("InvalidID");
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`key-${index}`, ""]));
  expect((await errorOf(tag([PRIMARY], many))).name).toBe("TagLimitExceeded");
  expect((await errorOf(tag([PRIMARY], { "aws:a": "1" }))).name).toBe("InvalidParameterValue");
  expect((await errorOf(tag([PRIMARY], { ["k".repeat(128)]: "1" }))).name).toBe("InvalidParameterValue");
  expect((await errorOf(tag([PRIMARY], { k: "v".repeat(257) }))).name).toBe("InvalidParameterValue");
  expect((await errorOf(tag([PRIMARY], {}))).name).toBe("MissingParameter");
  expect(await tagsOf(PRIMARY)).toEqual({});
});

test("DescribeTags filters by type, key and value", async () => {
  const describe = async (Name: string, ...Values: string[]) => {
    const { Tags } = await run.ec2.send(new DescribeTagsCommand({ Filters: [{ Name, Values }] }));
    return (Tags ?? []).map((one) => `${one.ResourceType} ${one.ResourceId} ${one.Key}`);
  };
  expect(await describe("resource-type", "instance")).toEqual([
    `instance ${NODE} Name`,
    `instance ${NODE} kubernetes.io/cluster/test`,
    `instance ${CARD_NODE} aws:autoscaling:groupName`,
    `instance ${CARD_NODE} own`,
  ]);
  expect(await describe("key", "pods")).toEqual([`subnet ${NODE_SUBNET} pods`]);
  expect(await describe("value", "owned")).toEqual([`instance ${NODE} kubernetes.io/cluster/test`]);
});
