import { type CallCount, type Held, sum, together } from "./calls-count.ts";
import type { Figures, RoundTrip } from "./calls-lives.ts";
import { all, type Cost, VPC_CNI_VERSION, vpcCni } from "./vpc-cni-calls.ts";

/** docs/ec2-calls.md, whole. */
export function renderCalls(figures: Figures): string {
  return [INTRODUCTION, comparison(figures), BY_ACTION, byAction(figures), left(figures), SOURCES].join("\n");
}

/** The table of enid beside the VPC CNI. */
export function comparison(figures: Figures): string {
  return table(["what", "enid", "VPC CNI", "source of the VPC CNI's figure"], rows(figures));
}

const INTRODUCTION = `# EC2 calls, counted

What a node costs the account in calls of EC2, which all nodes share ([ec2.md](ec2.md), throttling), and beside it what Amazon's VPC
CNI needs for the same. The figures of enid are measured: the real manager, the real AWS provider and the AWS SDK against the
simulated EC2 on a virtual clock, with the defaults of the settings (\`pre-allocate\` 8) unless a row says otherwise. Every request
counts, refused and repeated ones too. During each life EC2 never has an interface, address or prefix more than the plan wants for
the pods that are there, and after it pool and EC2 agree.

This page is written by \`npm run docs\`; \`test/ec2/calls.test.ts\` lives the lives again and keeps the two equal.

*Changes* are calls that change something (create, attach, modify, assign, unassign, detach, delete, tag), *describes* those that only
ask. One \`sts:GetCallerIdentity\` at each start of enid is not in it; STS has a budget of its own.
`;

const BY_ACTION = `
## enid by action
`;

function rows({ burst, burstWithMinimum, trickle, trickleWithSurplus, ...more }: Figures): string[][] {
  const { prefixes, dual, ipv6, restarts, idle } = more;
  const [first] = restarts;
  const [idleOne, idleThree] = idle;
  if (first === undefined || idleOne === undefined || idleThree === undefined) throw new Error("a life is missing");
  return [
    [
      "m5.large, a new node: until its first buffer is there",
      cell(burst.start),
      their(vpcCni.start),
      "[start](#start)",
    ],
    [
      "m5.large, a new node and 27 pods at once, start included",
      cell(together(burst.start, burst.up)),
      their(vpcCni.pods27),
      "[start](#start) and two [interfaces](#an-interface)",
    ],
    [
      "the same with one pod every 20 s",
      cell(together(trickle.start, trickle.up)),
      their(vpcCni.pods27),
      "the same: it adds whole interfaces",
    ],
    [
      "the same with one pod every 20 s and `max-above-watermark` 9",
      cell(together(trickleWithSurplus.start, trickleWithSurplus.up)),
      their(vpcCni.pods27),
      "the same",
    ],
    [
      "the 27 pods go at once: until all beyond the watermarks is given back",
      `${cell(burst.down)}; ${kept(burst.left)} stay`,
      `${their(vpcCni.pods27Gone)}; 9 addresses stay`,
      "[giving back](#giving-back)",
    ],
    [
      "the same with `min-allocate` 10",
      `${cell(burstWithMinimum.down)}; ${kept(burstWithMinimum.left)} stay`,
      "not counted",
      "with `MINIMUM_IP_TARGET` it no longer takes whole interfaces",
    ],
    [
      "restart of the daemon on a node with N interfaces: until it serves pods",
      cell(first.warmUntilServing),
      "N + 2 describes, less the leak check",
      "[restart](#restart)",
    ],
    [
      "the same: in all, until it has looked at EC2",
      `${cell(first.warmUntilLooked)}, whatever N`,
      `N + 2 describes = ${all(vpcCni.restart(1))} to ${all(vpcCni.restart(3))}; 2N + 2 = ${all(vpcCni.restartWithTags(1))} to ${all(vpcCni.restartWithTags(3))} where tags are missing`,
      "[restart](#restart)",
    ],
    [
      "the same after a reboot of the machine: until it serves pods",
      `${cell(first.cold)}, whatever N`,
      "as above",
      "[restart](#restart)",
    ],
    [
      "an idle day, 3 interfaces",
      `${cell(idleThree.day)}, at most ${idleThree.worstHour} in an hour; with \`cluster-name\` ${idleThree.day.sweeps} sweeps more`,
      "24 describes at most",
      "[leak check](#start)",
    ],
    [
      "metadata reads in an idle hour, 1 interface",
      reads(idleOne.day),
      thousands(vpcCni.metadataReadsPerHour(1)),
      "[metadata](#metadata)",
    ],
    [
      "metadata reads in an idle hour, 3 interfaces",
      reads(idleThree.day),
      thousands(vpcCni.metadataReadsPerHour(3)),
      "[metadata](#metadata)",
    ],
    [
      "m5.4xlarge with prefixes, 110 pods at once, start included",
      cell(together(prefixes.start, prefixes.up)),
      their(vpcCni.prefixes),
      "[prefixes](#prefixes)",
    ],
    ["the same: the burst alone", cell(prefixes.up), their(vpcCni.prefixBurst), "[prefixes](#prefixes)"],
    [
      "m5.large with dual-stack pods, 20 at once, start included",
      cell(together(dual.start, dual.up)),
      "not possible",
      "`isConfigValid` in pkg/ipamd/ipamd.go",
    ],
    [
      "m5.large with IPv6-only pods, 27 at once, start included",
      cell(together(ipv6.start, ipv6.up)),
      their(vpcCni.ipv6),
      "[IPv6](#ipv6)",
    ],
  ];
}

/** Each stretch of each life, with its calls by action. */
export function byAction(figures: Figures): string {
  const trips: readonly (readonly [string, RoundTrip])[] = [
    ["27 pods at once", figures.burst],
    ["27 pods at once, `min-allocate` 10", figures.burstWithMinimum],
    ["27 pods one by one", figures.trickle],
    ["27 pods one by one, `min-allocate` 10", figures.trickleWithMinimum],
    ["27 pods one by one, `max-above-watermark` 9", figures.trickleWithSurplus],
    ["110 pods, prefixes", figures.prefixes],
    ["20 dual-stack pods", figures.dual],
    ["27 IPv6-only pods", figures.ipv6],
  ];
  const lines = trips.flatMap(([title, { start, up, down }]) => [
    [title, "start", listed(start.changes), listed(start.describes)],
    ["", "pods come", listed(up.changes), listed(up.describes)],
    ["", "pods go", listed(down.changes), listed(down.describes)],
  ]);
  return table(["life", "stretch", "changes", "describes"], lines);
}

function left({ burst, burstWithMinimum, trickleWithSurplus, prefixes }: Figures): string {
  return `
## What stays when no pod is left

| settings | stays | because |
|---|---|---|
| the defaults | ${kept(burst.left)} on ${plural(burst.left.interfaces, "interface")} | \`pre-allocate\` 8 is kept ready; \`min-allocate\` 0 adds nothing |
| \`min-allocate\` 10 | ${kept(burstWithMinimum.left)} on ${plural(burstWithMinimum.left.interfaces, "interface")} | an m5.large interface holds 9, so the tenth keeps a second interface |
| \`max-above-watermark\` 9 | ${kept(trickleWithSurplus.left)} on ${plural(trickleWithSurplus.left.interfaces, "interface")} | up to \`min-allocate\` + \`max-above-watermark\` nothing is beyond the watermarks |
| prefixes | ${plural(prefixes.left.prefixes, "prefix")} on ${plural(prefixes.left.interfaces, "interface")} | eight addresses are kept ready, and a prefix is given back as a whole |
`;
}

const SOURCES = `## Where enid needs more

- **Pods that come one by one.** Each takes the buffer below \`pre-allocate\`, and each missing address is a call. What is taken on top
  of that call is \`max-above-watermark\`: with 9, an interface of an m5.large, the calls are fewer than the VPC CNI's, and up to
  nine addresses more are held.
- **An interface that is removed.** enid looks before it detaches (whose it is, by its tags) and while the detach takes (about 8 s in
  the simulated EC2); the VPC CNI waits two seconds and has EC2 refuse the delete until it can be done.
- **A restart with one interface** costs one describe more: enid asks EC2 for the limits of the instance type and looks for detached
  interfaces of its own.
- **An idle node with \`cluster-name\`** sweeps for the cluster's leftovers beside its hourly audit of itself. The VPC CNI's hourly
  call is such a sweep, and it audits nothing.

## Where the VPC CNI's figures come from

Counted in the source of aws/amazon-vpc-cni-k8s ${VPC_CNI_VERSION} (commit b521883) with the defaults of its chart
(\`WARM_ENI_TARGET\` 1, \`ENABLE_SUBNET_DISCOVERY\` true), an instance type of its own table, and nothing going wrong; nobody has run it
for this page. The figures published elsewhere for the VPC CNI, 17 calls for 27 pods on an m5.large and 900 to 2,100 metadata reads
an hour, are what this count gives too.

### Start

| call | where |
|---|---|
| \`DescribeNetworkInterfaces\`, all interfaces | \`nodeInit\` in pkg/ipamd/ipamd.go, \`DescribeAllENIs\` in pkg/awsutils/awsutils.go |
| \`CreateTags\`, the primary interface of a new node | \`nodeInit\`, \`TagENI\` |
| \`DescribeSubnets\`, for each interface (since v1.22.0) | \`setupENI\`, \`excludedENIBasedOnSubnetTags\`, \`GetVpcSubnets\` |
| \`AssignPrivateIpAddresses\`, once | \`handlePreScaling\`, \`tryAssignIPs\` |
| \`DescribeNetworkInterfaces\`, the leak check: within five minutes, then every hour | \`cleanUpLeakedENIs\`; README, \`DISABLE_LEAKED_ENI_CLEANUP\` |

### An interface

\`tryAllocateENI\` in pkg/ipamd/ipamd.go, \`AllocENI\` in pkg/awsutils/awsutils.go: \`DescribeSubnets\` (\`createENI\`),
\`CreateNetworkInterface\` with tags and addresses, \`DescribeInstances\` (\`awsGetFreeDeviceNumber\`), \`AttachNetworkInterface\`,
\`ModifyNetworkInterfaceAttribute\`, \`DescribeSubnets\` (\`setupENI\`). It waits for the attachment by reading metadata
(\`waitForENIAndIPsAttached\`). A pool with less than one interface's worth of free addresses gets another interface
(\`isDatastorePoolTooLow\`), so that 27 pods on an m5.large cost the start and two interfaces, however slowly they come.

### Giving back

\`FreeENI\`: \`DescribeNetworkInterfaces\` (\`getENIAttachmentID\`), \`DetachNetworkInterface\`, \`DeleteNetworkInterface\` two seconds later,
and again while it is refused. The figure is the least.

### Restart

\`DescribeNetworkInterfaces\`, \`DescribeSubnets\` for each interface, and the leak check make N + 2; it serves pods after all but the last.
An interface that lacks one of its tags (\`buildENITags\`: cluster name or additional tags changed) costs one \`CreateTags\` more, which
makes 2N + 2 for all of them. Elsewhere 2N + 2 is published for every restart; the source of ${VPC_CNI_VERSION} does not bear that out.

### Metadata

\`RefreshSGIDs\` and \`updateCIDRsRulesOnChange\` read one key each every 30 s: 240 an hour. \`nodeIPPoolReconcile\` runs about once a
minute (\`nodeIPPoolReconcileInterval\`) and reads the list of interfaces and ten keys for each of them (\`GetAttachedENIs\`,
\`getENIMetadata\`; nine where metadata shows no \`network-card\`): at most 60 + 600 N an hour. For one to three interfaces that
is 900 to 2,100, tokens apart. enid reads the list and four keys for each interface once a minute, and every ten minutes the five
that do not change while an interface is attached.

### Prefixes

With \`ENABLE_PREFIX_DELEGATION\` and \`WARM_PREFIX_TARGET\` 1 it takes one prefix at a time (\`getPrefixesNeeded\`), one in about five
seconds (\`StartNodeIPPoolManager\`), until there are as many addresses as the node may have pods (\`isDatastorePoolTooLow\`): seven for
110. With \`WARM_IP_TARGET\` it takes all that are missing at once.

### IPv6

\`DescribeNetworkInterfaces\` (\`DescribeAllENIs\`), \`DescribeSubnets\` twice (\`nodeInit\`, \`setupENI\`), \`CreateTags\`,
\`DescribeNetworkInterfaces\` (\`GetIPv6PrefixesFromEC2\`), \`AssignIpv6Addresses\` (\`AllocIPv6Prefixes\`); no leak check.

## Cilium's operator

One operator calls EC2 for all nodes, so there is no figure for a node. It reads everything again once a minute
(\`ipam-node-interval-refresh\` in pkg/ipam/node_manager.go; cilium/cilium#38532 names the interval): \`DescribeVpcs\`,
\`DescribeSubnets\`, \`DescribeSecurityGroups\` and \`DescribeNetworkInterfaces\` (\`Resync\` in pkg/aws/eni/instances.go at commit
12891db), so at least 240 describes an hour, and more with each further page of interfaces; and the interfaces of a node after each
change of it (cilium/cilium#27791; before that all interfaces, cilium/cilium#25073). An interface costs it the same three changes as
enid (\`CreateInterface\` in pkg/aws/eni/node.go). Its formula for the watermarks is enid's ([watermarks.md](watermarks.md)), so pods
that come one by one cost it a call each as well, unless \`max-above-watermark\` is set.
`;

function cell({ changes, describes }: CallCount): string {
  return their({ changes: sum(changes), describes: sum(describes) });
}

/** "8 changes + 4 describes = **12**" */
function their(cost: Cost): string {
  const { changes, describes } = cost;
  const parts = [
    ...(changes === 0 ? [] : [plural(changes, "change")]),
    ...(describes === 0 ? [] : [plural(describes, "describe")]),
  ];
  if (parts.length === 0) return "no call";
  return parts.length === 1 ? parts.join("") : `${parts.join(" + ")} = **${all(cost)}**`;
}

/** Rounded to tens: the jitter of the rounds is no figure. */
function reads({ metadataReads }: CallCount): string {
  return thousands(Math.round(metadataReads / 24 / 10) * 10);
}

function kept({ addresses }: Held): string {
  return plural(addresses, "address");
}

function plural(count: number, word: string): string {
  if (count === 1) return `1 ${word}`;
  return `${count} ${word}${/(?:s|x)$/.test(word) ? "es" : "s"}`;
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}

/** "2 `AttachNetworkInterface`, …" */
function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([action, count]) => `${count} \`${action}\``);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [row(head), `|${"---|".repeat(head.length)}`, ...lines.map(row)].join("\n");
}
