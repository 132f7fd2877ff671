import { table } from "./narrator.ts";
import type { StoryResult } from "./story.ts";
import { inSubnets } from "./truth.ts";

/** The table at the end of the story. */
export function printReport({ summary, truth, addresses, failures }: StoryResult, out: NodeJS.WritableStream): void {
  const given = [...addresses.values()];
  const { bySubnet } = inSubnets(truth, given);
  const line = (text = "") => out.write(`${text}\n`);
  line(`pods with an address   ${summary.pods}`);
  line(`given twice            ${summary.duplicates}`);
  line(`lost in the kill       ${summary.lostAfterKill}`);
  line(`in a wrong subnet      ${summary.wrongSubnet}`);
  line(`override survived      ${summary.overrideSurvived ? "yes" : "no"}`);
  line(`given back at the end  ${summary.givenBack.addresses} addresses, ${summary.givenBack.interfaces} interfaces`);
  line(`ADD, whole process     p50 ${summary.addMs.p50} ms, p99 ${summary.addMs.p99} ms`);
  line();
  const subnets = truth.subnets.map(({ id, name, cidr, forPods }) => [
    name,
    cidr,
    forPods ? "for pods" : "not for pods",
    bySubnet.get(id) ?? 0,
  ]);
  for (const row of table([["subnet", "", "", "pods"], ...subnets])) line(row);
  line();
  const interfaces = truth.interfaces.map(({ id, subnetId, deviceIndex, addresses: held }) => [
    id,
    deviceIndex,
    truth.subnets.find((subnet) => subnet.id === subnetId)?.name ?? subnetId,
    held.length,
    given.filter((address) => held.includes(address)).length,
  ]);
  for (const row of table([["interface", "device", "subnet", "addresses", "pods"], ...interfaces])) line(row);
  line();
  for (const row of table([["EC2 calls", ""], ...Object.entries(summary.ec2Calls)])) line(row);
  line();
  if (summary.ok) line('All promises held. On EC2 it goes the same way: see README.md, "On EC2".');
  else for (const failure of failures) line(`NOT AS PROMISED: ${failure}`);
}
