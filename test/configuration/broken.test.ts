import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Problem, readConfiguration } from "../../src/configuration/index.ts";
import { EnidError, type ErrorCode } from "../../src/errors.ts";

const FOLDER = join(import.meta.dirname, "broken");
const SYNTAX = "ENID_CONFIG_SYNTAX";
const INVALID = "ENID_CONFIG_INVALID";

interface Broken {
  readonly file: string;
  readonly code: ErrorCode;
  /** line:column */
  readonly at: string;
  readonly pointer: string;
  /** What stands at that place in the file: keeps `at` honest. Left out where it is not text. */
  readonly here?: string;
  /** Parts of the message: the value, what is wrong, what is allowed. */
  readonly says: readonly string[];
  /** Second place, line:column. */
  readonly related?: string;
}

const broken: readonly Broken[] = [
  // Wrong values
  {
    file: "number-as-text.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/ipam/pre-allocate",
    here: '"8"',
    says: ['"8" is text', "allowed is a whole number from 0 to 65536"],
  },
  {
    file: "negative.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/ipam/pre-allocate",
    here: "-1",
    says: ["-1 is negative", "whole number from 0"],
  },
  {
    file: "fraction.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/ipam/pre-allocate",
    here: "7.5",
    says: ["7.5 is not a whole number"],
  },
  {
    file: "huge-number.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/ipam/max-allocate",
    here: "1e999",
    says: ["1e999 is too large", "to 65536"],
  },
  {
    file: "too-many-addresses.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/ipam/min-allocate",
    here: "65537",
    says: ["65537 is too large"],
  },
  {
    file: "null-value.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/ipam/pre-allocate",
    here: "null",
    says: ["null is no value", "whole number"],
  },
  {
    file: "null-section.conf",
    code: INVALID,
    at: "5:10",
    pointer: "/eni",
    here: "null",
    says: ["null is no value", "an object"],
  },
  {
    file: "section-is-list.conf",
    code: INVALID,
    at: "5:10",
    pointer: "/eni",
    here: "[",
    says: ['["subnet-0a1b2c3d"] is a list', "an object"],
  },
  {
    file: "truth-as-text.conf",
    code: INVALID,
    at: "5:37",
    pointer: "/eni/delete-on-termination",
    here: '"true"',
    says: ['"true" is text', "allowed is true or false"],
  },
  {
    file: "bad-subnet-id.conf",
    code: INVALID,
    at: "5:55",
    pointer: "/eni/subnet-ids/1",
    here: '"subnet-12345"',
    says: ['"subnet-12345" does not have the right form', "8 or 17 hexadecimal digits"],
  },
  {
    file: "bad-security-group.conf",
    code: INVALID,
    at: "5:32",
    pointer: "/eni/security-groups/0",
    here: '"default"',
    says: ['"default" does not', '"sg-" and 8 or 17'],
  },
  {
    file: "repeated-subnet.conf",
    code: INVALID,
    at: "5:46",
    pointer: "/eni/subnet-ids/1",
    here: '"subnet-0a1b2c3d"]',
    related: "5:27",
    says: ["twice", ":5:27", "different subnet ids"],
  },
  {
    file: "tag-value-is-number.conf",
    code: INVALID,
    at: "5:37",
    pointer: "/eni/subnet-tags/tier",
    here: "1",
    says: ["1 is a number", "at most 256 characters"],
  },
  {
    file: "empty-tag-key.conf",
    code: INVALID,
    at: "5:29",
    pointer: "/eni/subnet-tags/",
    here: '""',
    says: ['key "" is empty', "1 to 127 characters"],
  },
  {
    file: "bad-range.conf",
    code: INVALID,
    at: "5:42",
    pointer: "/ipam/podCIDRs/1",
    here: '"10.12.256.0/24"',
    says: ['"10.12.256.0/24"', "an IPv4 range from /16 to /32"],
  },
  {
    file: "ipv6-range.conf",
    code: INVALID,
    at: "5:25",
    pointer: "/ipam/podCIDRs",
    here: '["2001:db8::/64"]',
    says: [
      'has no IPv4 range, while ip-families is "ipv4" by default',
      'allowed are "ip-families": "ipv6", and an IPv4 range',
    ],
  },
  {
    file: "host-bits.conf",
    code: INVALID,
    at: "5:26",
    pointer: "/ipam/podCIDRs/0",
    here: '"10.12.5.7/24"',
    says: ["host bits set", "10.12.5.0/24"],
  },
  {
    file: "loopback-range.conf",
    code: INVALID,
    at: "5:26",
    pointer: "/ipam/podCIDRs/0",
    here: '"127.0.0.0/24"',
    says: ["the loopback range", "can be routed"],
  },
  {
    file: "overlapping-ranges.conf",
    code: INVALID,
    at: "8:7",
    pointer: "/ipam/podCIDRs/1",
    here: '"10.12.5.0/24"',
    related: "7:7",
    says: ['"10.12.5.0/24" overlaps 10.12.0.0/16', ":7:7 /ipam/podCIDRs/0", "do not overlap"],
  },
  {
    file: "ranges-too-large.conf",
    code: INVALID,
    at: "5:42",
    pointer: "/ipam/podCIDRs/1",
    here: '"10.13.0.0/30"',
    says: ["65540 addresses", "allowed are 65536"],
  },
  // Wrong keys
  {
    file: "misspelt-key.conf",
    code: INVALID,
    at: "6:5",
    pointer: "/eni/subnet-tag",
    here: '"subnet-tag"',
    says: ['"subnet-tag" is not known', 'did you mean "subnet-tags"?', "allowed are first-interface-index, subnet-ids"],
  },
  {
    file: "misspelt-key.conflist",
    code: INVALID,
    at: "4:39",
    pointer: "/plugins/1/ipam/pre-alocate",
    here: '"pre-alocate"',
    says: ['did you mean "pre-allocate"?'],
  },
  {
    file: "camel-case-key.conf",
    code: INVALID,
    at: "5:13",
    pointer: "/ipam/preAllocate",
    here: '"preAllocate"',
    says: ['did you mean "pre-allocate"?'],
  },
  {
    file: "unknown-key.conf",
    code: INVALID,
    at: "5:13",
    pointer: "/ipam/warp-speed",
    here: '"warp-speed"',
    says: ['"warp-speed" is not known in "ipam"; allowed are type, min-allocate'],
  },
  {
    file: "misspelt-section.conf",
    code: INVALID,
    at: "5:3",
    pointer: "/enii",
    here: '"enii"',
    says: ['did you mean "eni"?'],
  },
  {
    file: "upper-case-section.conf",
    code: INVALID,
    at: "5:3",
    pointer: "/IPAM",
    here: '"IPAM"',
    says: ['did you mean "ipam"?'],
  },
  {
    file: "setting-in-wrong-section.conf",
    code: INVALID,
    at: "5:13",
    pointer: "/ipam/subnet-tags",
    here: '"subnet-tags"',
    says: ['it belongs into "eni"'],
  },
  {
    file: "setting-outside-sections.conf",
    code: INVALID,
    at: "5:3",
    pointer: "/pre-allocate",
    here: '"pre-allocate"',
    says: ['it belongs into "ipam"'],
  },
  {
    file: "duplicate-key.conf",
    code: INVALID,
    at: "7:5",
    pointer: "/ipam/pre-allocate",
    here: '"pre-allocate": 16',
    related: "6:5",
    says: ["a second time", ":6:5", "allowed is once"],
  },
  {
    file: "duplicate-section.conf",
    code: INVALID,
    at: "7:3",
    pointer: "/eni",
    here: '"eni"',
    related: "5:3",
    says: ["a second time", ":5:3"],
  },
  // Wrong together
  {
    file: "eni-and-pod-cidrs.conf",
    code: INVALID,
    at: "6:13",
    pointer: "/ipam/podCIDRs",
    here: '"podCIDRs"',
    related: "5:3",
    says: ["ranges of its own", ":5:3 /eni", "allowed is one of the two"],
  },
  {
    file: "prefixes-forbidden.conf",
    code: INVALID,
    at: "7:26",
    pointer: "/eni/prefix-delegation",
    here: '"required"',
    related: "6:34",
    says: ['"required" asks for the prefixes', ":6:34 /eni/disable-prefix-delegation forbids", "one of the two"],
  },
  {
    file: "ipv6-with-ranges.conf",
    code: INVALID,
    at: "6:20",
    pointer: "/ipam/ip-families",
    here: '"dual"',
    related: "7:5",
    says: [
      '"dual" asks for IPv6 addresses, while podCIDRs at',
      ":7:5 /ipam/podCIDRs has no IPv6 range",
      'allowed are "ipv4", and an IPv6 range in podCIDRs',
    ],
  },
  {
    file: "misspelt-word.conf",
    code: INVALID,
    at: "5:33",
    pointer: "/eni/prefix-delegation",
    here: '"prefered"',
    says: ['"prefered" is not known: did you mean "preferred"?', 'allowed is "off", "preferred" or "required"'],
  },
  {
    file: "word-as-truth.conf",
    code: INVALID,
    at: "5:33",
    pointer: "/eni/prefix-delegation",
    here: "true",
    says: ["true is true or false; allowed is", '"off", "preferred" or "required"'],
  },
  {
    file: "unknown-ipam.conf",
    code: INVALID,
    at: "5:47",
    pointer: "/eni/adopt-interfaces-of/1",
    here: '"calico"',
    says: ['"calico" is not known; allowed is "vpc-cni" or "cilium"'],
  },
  {
    file: "max-below-min.conf",
    code: INVALID,
    at: "7:21",
    pointer: "/ipam/max-allocate",
    here: "5",
    related: "6:21",
    says: ["5 is below min-allocate 10", ":6:21 /ipam/min-allocate", "at least min-allocate"],
  },
  {
    file: "max-below-old-min.conf",
    code: INVALID,
    at: "6:29",
    pointer: "/ipam/max-allocate",
    here: "5",
    related: "5:28",
    says: ["5 is below min-allocate 10", "/eni/min-allocate"],
  },
  // Ranges of the node, excluded addresses, BGP
  {
    file: "ipv6-host-bits.conf",
    code: INVALID,
    at: "7:18",
    pointer: "/ipam/podCIDRs/0",
    here: '"2001:DB8:5::7/64"',
    says: ["has host bits set", "the network itself, 2001:db8:5::/64"],
  },
  {
    file: "bad-ipv6-range.conf",
    code: INVALID,
    at: "7:18",
    pointer: "/ipam/podCIDRs/0",
    here: '"2001:db8:::/64"',
    says: ['"2001:db8:::/64" is not a range', "allowed is an IPv4 or IPv6 range"],
  },
  {
    file: "ipv6-range-too-small.conf",
    code: INVALID,
    at: "7:18",
    pointer: "/ipam/podCIDRs/0",
    here: '"2001:db8:5::/124"',
    says: ["an IPv6 range from /48 to /120"],
  },
  {
    file: "link-local-range.conf",
    code: INVALID,
    at: "7:18",
    pointer: "/ipam/podCIDRs/0",
    here: '"fe80::/64"',
    says: ['"fe80::/64" is in fe80::/10, the link-local range'],
  },
  {
    file: "broadcast-range.conf",
    code: INVALID,
    at: "6:18",
    pointer: "/ipam/podCIDRs/0",
    here: '"255.255.255.254/31"',
    says: ["has the broadcast address"],
  },
  {
    file: "overlapping-ipv6-ranges.conf",
    code: INVALID,
    at: "7:37",
    pointer: "/ipam/podCIDRs/1",
    here: '"2001:DB8:5:0001::/64"',
    related: "7:18",
    says: ["overlaps 2001:db8:5::/48", "do not overlap"],
  },
  {
    file: "forgotten-families.conf",
    code: INVALID,
    at: "6:34",
    pointer: "/ipam/podCIDRs/1",
    here: '"2001:db8:5::/64"',
    says: [
      'is an IPv6 range, while ip-families is "ipv4" by default',
      '"ip-families": "dual", "ipv6", or "ipv4" to leave it unused',
    ],
  },
  {
    file: "family-without-range.conf",
    code: INVALID,
    at: "6:20",
    pointer: "/ipam/ip-families",
    here: '"ipv4"',
    related: "7:5",
    says: [
      '"ipv4" asks for IPv4 addresses, while podCIDRs at',
      ":7:5 /ipam/podCIDRs has no IPv4 range",
      'allowed are "ipv6", and an IPv4 range',
    ],
  },
  {
    file: "excluded-outside.conf",
    code: INVALID,
    at: "7:41",
    pointer: "/ipam/excluded-addresses/1",
    here: '"10.12.9.64"',
    related: "6:5",
    says: [
      '"10.12.9.64" is not within podCIDRs at',
      ":6:5 /ipam/podCIDRs",
      "allowed are addresses of 10.12.5.0/24, 10.12.9.0/26",
    ],
  },
  {
    file: "excluded-too-large.conf",
    code: INVALID,
    at: "7:28",
    pointer: "/ipam/excluded-addresses/0",
    here: '"10.12.4.0/23"',
    related: "6:5",
    says: ["is not within podCIDRs", "ranges within one of them"],
  },
  {
    file: "excluded-without-ranges.conf",
    code: INVALID,
    at: "6:28",
    pointer: "/ipam/excluded-addresses/0",
    here: '"10.12.5.9"',
    says: ["is of no range of the node's own", "beside podCIDRs only"],
  },
  {
    file: "excluded-host-bits.conf",
    code: INVALID,
    at: "7:28",
    pointer: "/ipam/excluded-addresses/0",
    here: '"10.12.5.9/28"',
    says: ["has host bits set", "10.12.5.0/28"],
  },
  {
    file: "all-excluded.conf",
    code: INVALID,
    at: "6:34",
    pointer: "/ipam/podCIDRs/1",
    here: '"10.12.9.0/29"',
    related: "7:5",
    says: [
      "has no address left for a pod beside those that excluded-addresses at",
      ":7:5 /ipam/excluded-addresses names",
    ],
  },
  {
    file: "uplinks-without-asn.conf",
    code: INVALID,
    at: "6:16",
    pointer: "/bgp/uplinks",
    here: '[{ "neighbor"',
    says: ["autonomous system", 'together with "asn"'],
  },
  {
    file: "repeated-neighbor.conf",
    code: INVALID,
    at: "9:21",
    pointer: "/bgp/uplinks/1/neighbor",
    here: '"2001:DB8:0::1"',
    related: "8:21",
    says: ["repeats the neighbor of an earlier uplink at", "allowed is one session with each"],
  },
  {
    file: "neighbor-is-local.conf",
    code: INVALID,
    at: "8:51",
    pointer: "/bgp/uplinks/0/local-address",
    here: '"10.0.12.1"',
    related: "8:21",
    says: ["is the neighbor's at", "allowed is an address of the node"],
  },
  {
    file: "local-of-other-family.conf",
    code: INVALID,
    at: "8:51",
    pointer: "/bgp/uplinks/0/local-address",
    here: '"2001:db8::5"',
    related: "8:21",
    says: ["is IPv6, unlike the neighbor at", "allowed is an IPv4 address of the node"],
  },
  {
    file: "link-local-neighbor.conf",
    code: INVALID,
    at: "8:21",
    pointer: "/bgp/uplinks/0/neighbor",
    here: '"fe80::1"',
    says: ["is link-local, and the uplink does not say on which link", '"interface", the device of the session'],
  },
  {
    file: "link-local-multihop.conf",
    code: INVALID,
    at: "8:84",
    pointer: "/bgp/uplinks/0/multihop",
    here: "2 }",
    related: "8:21",
    says: ["leads beyond the link", "allowed is no multihop"],
  },
  {
    file: "interface-and-multihop.conf",
    code: INVALID,
    at: "8:47",
    pointer: "/bgp/uplinks/0/interface",
    here: '"eth1"',
    related: "8:86",
    says: ["is for a neighbor on the link, unlike multihop at", "one of the two"],
  },
  {
    file: "multicast-neighbor.conf",
    code: INVALID,
    at: "8:21",
    pointer: "/bgp/uplinks/0/neighbor",
    here: '"224.0.0.5"',
    says: ["is a multicast address", "the address of a router"],
  },
  {
    file: "misspelt-uplink-key.conf",
    code: INVALID,
    at: "8:53",
    pointer: "/bgp/uplinks/0/multi-hop",
    here: '"multi-hop"',
    says: ['key "multi-hop" is not known in it: did you mean "multihop"?', "allowed are neighbor, asn, local-address"],
  },
  {
    file: "uplink-without-asn.conf",
    code: INVALID,
    at: "8:7",
    pointer: "/bgp/uplinks/0",
    here: '{ "neighbor"',
    says: ['lacks "asn"', 'an object with "neighbor" and "asn"'],
  },
  {
    file: "asn-as-text.conf",
    code: INVALID,
    at: "6:12",
    pointer: "/bgp/asn",
    here: '"AS64512"',
    says: ['"AS64512" is text', "from 1 to 4294967294"],
  },
  {
    file: "router-id-zero.conf",
    code: INVALID,
    at: "7:18",
    pointer: "/bgp/router-id",
    here: '"0.0.0.0"',
    says: ["identifies no router", "another IPv4 address"],
  },
  {
    file: "relative-path.conf",
    code: INVALID,
    at: "7:26",
    pointer: "/bgp/bird-include-file",
    here: '"enid.conf"',
    says: ["an absolute path"],
  },
  {
    file: "setting-of-bgp-in-ipam.conf",
    code: INVALID,
    at: "6:5",
    pointer: "/ipam/asn",
    here: '"asn"',
    says: ['it belongs into "bgp"'],
  },
  {
    file: "misspelt-bgp.conf",
    code: INVALID,
    at: "5:3",
    pointer: "/bpg",
    here: '"bpg"',
    says: ['did you mean "bgp"?', 'allowed are "eni", "ipam", "bgp", "fleet" and "kubernetes"'],
  },
  {
    file: "bgp-beside-plugins.conflist",
    code: INVALID,
    at: "4:3",
    pointer: "/bgp",
    here: '"bgp"',
    related: "3:16",
    says: ['"bgp" would be lost', ":3:16 /plugins/0"],
  },
  {
    file: "eni-and-pod-cidrs.conflist",
    code: INVALID,
    at: "7:17",
    pointer: "/plugins/0/ipam/podCIDRs",
    here: '"podCIDRs"',
    related: "6:7",
    says: ["ranges of its own", "/plugins/0/eni takes addresses from EC2"],
  },
  {
    file: "fact-and-pod-cidrs.conf",
    code: INVALID,
    at: "7:5",
    pointer: "/ipam/podCIDRs",
    here: '"podCIDRs"',
    related: "5:3",
    says: ['"eni" at', "allowed is one of the two"],
  },
  // The hand-off
  {
    file: "hand-off-on-premises.conf",
    code: INVALID,
    at: "6:31",
    pointer: "/kubernetes/hand-off",
    here: '"cilium-node"',
    related: "5:13",
    says: ['"cilium-node" is for nodes on AWS, and podCIDRs at', 'ranges of its own; allowed is "cni"'],
  },
  {
    file: "hand-off-dual.conf",
    code: INVALID,
    at: "6:31",
    pointer: "/kubernetes/hand-off",
    here: '"cilium-node"',
    related: "5:13",
    says: ['serves IPv4, and both families with "cilium-dialect": "eni-1.20"', 'is "dual"'],
  },
  {
    file: "hand-off-fixed.conf",
    code: INVALID,
    at: "6:31",
    pointer: "/kubernetes/hand-off",
    here: '"cilium-node"',
    related: "5:13",
    says: ["lets the agent choose addresses, and fixed at", 'asks for fixed ones; allowed is "cni"'],
  },
  {
    file: "hand-off-fixed-annotations.conf",
    code: INVALID,
    at: "6:31",
    pointer: "/kubernetes/hand-off",
    here: '"cilium-node"',
    related: "5:13",
    says: ["lets the agent choose addresses, and fixed-annotations at"],
  },
  {
    file: "hand-off-taint.conf",
    code: INVALID,
    at: "5:63",
    pointer: "/kubernetes/startup-taint",
    here: '"not a taint"',
    says: ["allowed is the key of a taint of at most 317 characters"],
  },
  // Fixed addresses and the fleet
  {
    file: "fixed-annotations-without-fleet.conf",
    code: INVALID,
    at: "5:34",
    pointer: "/ipam/fixed-annotations",
    here: "true",
    says: ['true needs a fleet, and no "redis" in "fleet" names its servers', "allowed is it together with them"],
  },
  {
    file: "fixed-bad-glob.conf",
    code: INVALID,
    at: "5:53",
    pointer: "/ipam/fixed/0/pod",
    here: '"db-[0-9]"',
    says: [
      '"db-[0-9]" does not have the right form',
      "allowed is a name of at most 253 lower-case letters, digits, hyphens a",
    ],
  },
  {
    file: "fixed-bad-ordinals.conf",
    code: INVALID,
    at: "5:80",
    pointer: "/ipam/fixed/0/ordinals",
    here: '"0..4"',
    says: [
      '"0..4" does not have the right form',
      'allowed is numbers and ranges of them in ascending order, such as "0-4',
    ],
  },
  {
    file: "fixed-host-bits.conf",
    code: INVALID,
    at: "5:75",
    pointer: "/ipam/fixed/0/addresses/0",
    here: '"10.99.0.9/24"',
    says: ['"10.99.0.9/24" has host bits set', "allowed is the network itself, 10.99.0.0/24"],
  },
  {
    file: "fixed-in-pod-cidrs.conf",
    code: INVALID,
    at: "7:83",
    pointer: "/ipam/fixed/0/addresses/1",
    here: '"10.12.5.64/28"',
    related: "6:5",
    says: ["/ipam/podCIDRs, which is the node's own", "allowed are addresses that are in no node's podCIDRs"],
  },
  {
    file: "fixed-ipv6-range.conf",
    code: INVALID,
    at: "5:75",
    pointer: "/ipam/fixed/0/addresses/0",
    here: '"2001:db8::/64"',
    says: [
      '"2001:db8::/64" does not have the right form',
      "allowed is an IPv4 address, or an IPv4 range from /16 to /32, such as ",
    ],
  },
  {
    file: "fixed-ipv6.conf",
    code: INVALID,
    at: "5:22",
    pointer: "/ipam/fixed",
    here: "[",
    related: "5:64",
    says: [
      '[{ "namespace": "shop", "pod": "db-*" }] asks for fixed addresses, which are IPv4, while ip-families at',
      'allowed is it with "ipv4" or "dual"',
    ],
  },
  {
    file: "fixed-misspelt-key.conf",
    code: INVALID,
    at: "5:46",
    pointer: "/ipam/fixed/0/statefulset",
    here: '"statefulset"',
    says: [
      'key "statefulset" is not known in it: did you mean "stateful-set"?',
      "allowed are namespace, pod, stateful-set, ordinals, keep-seconds, addr",
    ],
  },
  {
    file: "fixed-names-both.conf",
    code: INVALID,
    at: "5:53",
    pointer: "/ipam/fixed/0/pod",
    here: '"db-*"',
    related: "5:77",
    says: ['"db-*" stands beside a StatefulSet at', "allowed is one of the two"],
  },
  {
    file: "fixed-names-nobody.conf",
    code: INVALID,
    at: "5:23",
    pointer: "/ipam/fixed/0",
    here: "{",
    says: ['{ "namespace": "shop" } names no pods', 'allowed is it with "pod" or with "stateful-set"'],
  },
  {
    file: "fixed-no-addresses.conf",
    code: INVALID,
    at: "5:74",
    pointer: "/ipam/fixed/0/addresses",
    here: "[",
    says: ["[] does not have the right form", "allowed is a list of 1 to 64 IPv4 addresses or ranges that do not over"],
  },
  {
    file: "fixed-ordinals-backwards.conf",
    code: INVALID,
    at: "5:80",
    pointer: "/ipam/fixed/0/ordinals",
    here: '"0,4-2"',
    says: ['"0,4-2" has 4-2 out of order', "allowed are numbers in ascending order, once each"],
  },
  {
    file: "fixed-ordinals-of-pods.conf",
    code: INVALID,
    at: "5:73",
    pointer: "/ipam/fixed/0/ordinals",
    here: '"0-4"',
    says: ['"0-4" is of no StatefulSet', 'allowed is it beside "stateful-set"'],
  },
  {
    file: "fixed-overlapping.conf",
    code: INVALID,
    at: "7:75",
    pointer: "/ipam/fixed/0/addresses/1",
    here: '"10.99.0.7"',
    related: "7:59",
    says: ['"10.99.0.7" overlaps 10.99.0.0/24 at', "allowed are ranges that do not overlap"],
  },
  {
    file: "fixed-repeated.conf",
    code: INVALID,
    at: "8:7",
    pointer: "/ipam/fixed/1",
    here: "{",
    related: "7:7",
    says: [
      '{ "namespace": "shop", "pod": "db-*", "keep-seconds": 60 } names the same pods as an earlier rule at',
      "allowed is one rule for them",
    ],
  },
  {
    file: "fixed-without-addresses.conf",
    code: INVALID,
    at: "7:15",
    pointer: "/ipam/fixed/0",
    here: "{",
    related: "6:5",
    says: [
      "/ipam/podCIDRs gives the node ranges of its own, whose addresses cannot leave it",
      'allowed is it with "addresses" that are in no node\'s podCIDRs',
    ],
  },
  {
    file: "fixed-without-fleet.conf",
    code: INVALID,
    at: "5:22",
    pointer: "/ipam/fixed",
    here: "[",
    says: [
      '[{ "namespace": "shop", "pod": "db-*" }] needs a fleet, and no "redis" in "fleet" names its servers',
      "allowed is it together with them",
    ],
  },
  {
    file: "fixed-without-namespace.conf",
    code: INVALID,
    at: "5:23",
    pointer: "/ipam/fixed/0",
    here: "{",
    says: [
      '{ "pod": "db-*" } lacks "namespace"',
      'allowed is an object with "namespace", and with "pod" or "stateful-set',
    ],
  },
  {
    file: "annotations-without-addresses.conf",
    code: INVALID,
    at: "5:64",
    pointer: "/ipam/fixed-annotations",
    here: "true",
    related: "5:13",
    says: [
      "true names no addresses that could leave the node, while podCIDRs at",
      'allowed is it beside a rule in "fixed"',
    ],
  },
  {
    file: "router-among-fixed.conf",
    code: INVALID,
    at: "11:31",
    pointer: "/bgp/uplinks/0/neighbor",
    here: '"10.99.0.9"',
    related: "7:5",
    says: ['"10.99.0.9" is an address that a pod can get of fixed at', "allowed is one that is not"],
  },
  {
    file: "keep-too-long.conf",
    code: INVALID,
    at: "5:35",
    pointer: "/ipam/fixed-keep-seconds",
    here: "31536001",
    says: ["31536001 is too large", "allowed is a whole number of seconds from 0 to 31536000"],
  },
  {
    file: "redis-bad-ipv4.conf",
    code: INVALID,
    at: "5:24",
    pointer: "/fleet/redis/0",
    here: '"10.0.0.256:6379"',
    says: ['"10.0.0.256:6379" has no IPv4 address', 'allowed is "host:port", an IPv6 address in brackets'],
  },
  {
    file: "redis-bad-ipv6.conf",
    code: INVALID,
    at: "5:24",
    pointer: "/fleet/redis/0",
    here: '"[2001:db8:1]:6379"',
    says: [
      '"[2001:db8:1]:6379" has no IPv6 address in its brackets',
      'allowed is "host:port", an IPv6 address in brackets',
    ],
  },
  {
    file: "redis-bad-port.conf",
    code: INVALID,
    at: "5:24",
    pointer: "/fleet/redis/0",
    here: '"redis-1:65536"',
    says: [
      '"redis-1:65536" does not have the right form',
      'allowed is a server as "host:port" of at most 260 characters',
    ],
  },
  {
    file: "redis-bare-ipv6.conf",
    code: INVALID,
    at: "5:24",
    pointer: "/fleet/redis/0",
    here: '"2001:db8::1:6379"',
    says: [
      '"2001:db8::1:6379" does not have the right form',
      'allowed is a server as "host:port" of at most 260 characters',
    ],
  },
  {
    file: "redis-repeated.conf",
    code: INVALID,
    at: "5:65",
    pointer: "/fleet/redis/1",
    here: '"Redis-1:6379"',
    related: "5:49",
    says: ['"Redis-1:6379" repeats the server at', "allowed is each once"],
  },
  {
    file: "redis-two-singles.conf",
    code: INVALID,
    at: "5:23",
    pointer: "/fleet/redis",
    here: "[",
    says: [
      '["redis-1:6379", "redis-2:6379"] names 2 servers, while redis-kind is "single"',
      'allowed is one, or "redis-kind": "sentinel" or "cluster"',
    ],
  },
  {
    file: "redis-unknown-kind.conf",
    code: INVALID,
    at: "5:55",
    pointer: "/fleet/redis-kind",
    here: '"sentinels"',
    says: ['"sentinels" is not known: did you mean "sentinel"?', 'allowed is "single", "sentinel" or "cluster"'],
  },
  {
    file: "redis-without-port.conf",
    code: INVALID,
    at: "5:24",
    pointer: "/fleet/redis/0",
    here: '"redis-1.internal"',
    says: [
      '"redis-1.internal" does not have the right form',
      'allowed is a server as "host:port" of at most 260 characters',
    ],
  },
  {
    file: "sentinel-without-master.conf",
    code: INVALID,
    at: "5:56",
    pointer: "/fleet/redis-kind",
    here: '"sentinel"',
    says: [
      '"sentinel" needs the name of the master that the sentinels watch',
      'allowed is it together with "redis-master"',
    ],
  },
  {
    file: "master-without-sentinel.conf",
    code: INVALID,
    at: "5:57",
    pointer: "/fleet/redis-master",
    here: '"enid"',
    says: ['"enid" is for sentinels, while redis-kind is "single"', 'allowed is it with "redis-kind": "sentinel"'],
  },
  {
    file: "certificate-without-key.conf",
    code: INVALID,
    at: "8:31",
    pointer: "/fleet/redis-certificate-file",
    here: '"/etc/enid/redis.crt"',
    says: ['"/etc/enid/redis.crt" has no key', 'allowed is it together with "redis-key-file"'],
  },
  {
    file: "key-without-certificate.conf",
    code: INVALID,
    at: "8:23",
    pointer: "/fleet/redis-key-file",
    here: '"/etc/enid/redis.key"',
    says: ['"/etc/enid/redis.key" is of no certificate', 'allowed is it together with "redis-certificate-file"'],
  },
  {
    file: "authorities-without-tls.conf",
    code: INVALID,
    at: "5:58",
    pointer: "/fleet/redis-ca-file",
    here: '"/etc/enid/ca.pem"',
    says: ['"/etc/enid/ca.pem" is of no use without TLS', 'allowed is it with "redis-tls": true'],
  },
  {
    file: "relative-password-file.conf",
    code: INVALID,
    at: "5:64",
    pointer: "/fleet/redis-password-file",
    here: '"redis.password"',
    says: [
      '"redis.password" does not have the right form',
      "allowed is an absolute path of at most 255 characters, without white s",
    ],
  },
  {
    file: "bucket-never-refilled.conf",
    code: INVALID,
    at: "8:66",
    pointer: "/fleet/budget-buckets/DescribeSubnets/refill-per-second",
    here: "0",
    says: ["0 is too small", "allowed is a number of calls a second from 0.01 to 100000"],
  },
  {
    file: "bucket-of-unknown-action.conf",
    code: INVALID,
    at: "8:7",
    pointer: "/fleet/budget-buckets/AssignPrivateIpAddress",
    here: '"AssignPrivateIpAddress"',
    says: [
      'key "AssignPrivateIpAddress" is not known: did you mean "AssignPrivateIpAddresses"?',
      "allowed is the name of an EC2 action that enid calls",
    ],
  },
  {
    file: "bucket-without-capacity.conf",
    code: INVALID,
    at: "8:26",
    pointer: "/fleet/budget-buckets/DescribeSubnets",
    here: "{",
    says: [
      '{ "refill-per-second": 20 } lacks "capacity"',
      'allowed is an object with "capacity" and "refill-per-second"',
    ],
  },
  {
    file: "fleet-with-brace.conf",
    code: INVALID,
    at: "5:55",
    pointer: "/fleet/fleet-name",
    here: '"{prod}"',
    says: [
      '"{prod}" does not have the right form',
      "allowed is a name of 1 to 64 letters, digits and characters of . _ -",
    ],
  },
  {
    file: "setting-of-fleet-in-ipam.conf",
    code: INVALID,
    at: "5:13",
    pointer: "/ipam/redis",
    here: '"redis"',
    says: [
      'key "redis" is not known in "ipam": it belongs into "fleet"',
      "allowed are type, min-allocate, pre-allocate, max-allocate, max-above-",
    ],
  },
  // Wrong form of the file
  {
    file: "not-an-object.conf",
    code: INVALID,
    at: "1:1",
    pointer: "",
    here: "[",
    says: ["is a list", "allowed is an object"],
  },
  { file: "just-null.conf", code: INVALID, at: "1:1", pointer: "", here: "null", says: ["allowed is an object"] },
  {
    file: "plugins-not-a-list.conflist",
    code: INVALID,
    at: "2:14",
    pointer: "/plugins",
    here: "{",
    says: ["is an object", "allowed is a list"],
  },
  {
    file: "plugin-not-an-object.conflist",
    code: INVALID,
    at: "3:5",
    pointer: "/plugins/0",
    here: '"cilium-cni"',
    says: ['"cilium-cni" is text', "an object"],
  },
  {
    file: "misspelt-plugin.conflist",
    code: INVALID,
    at: "3:15",
    pointer: "/plugins/0/type",
    here: '"cillium-cni"',
    says: ['did you mean "cilium-cni"?'],
  },
  {
    file: "section-beside-plugins.conflist",
    code: INVALID,
    at: "6:3",
    pointer: "/eni",
    here: '"eni"',
    related: "4:5",
    says: ['"eni" would be lost', ":4:5 /plugins/1"],
  },
  // Not JSON in UTF-8
  { file: "empty.conf", code: SYNTAX, at: "1:1", pointer: "", says: ["the file is empty", "allowed is a JSON object"] },
  { file: "white-space.conf", code: SYNTAX, at: "1:1", pointer: "", says: ["nothing but white space"] },
  {
    file: "cut-off.conf",
    code: SYNTAX,
    at: "4:1",
    pointer: "/ipam",
    says: ["the file ends before the `{` at", ":2:11 is closed", "cut off"],
  },
  {
    file: "trailing-garbage.conf",
    code: SYNTAX,
    at: "2:1",
    pointer: "",
    here: "{",
    says: ["after the end of the configuration"],
  },
  {
    file: "comment.conf",
    code: SYNTAX,
    at: "5:3",
    pointer: "",
    here: "// the buffer",
    says: ["is a comment", "JSON without comments"],
  },
  {
    file: "trailing-comma.conf",
    code: SYNTAX,
    at: "5:32",
    pointer: "/ipam",
    here: "}",
    says: ["where a name is expected", "no comma before a closing bracket"],
  },
  {
    file: "missing-comma.conf",
    code: SYNTAX,
    at: "6:3",
    pointer: "/ipam",
    here: '"ipam"',
    says: ["where a comma or the closing bracket is expected"],
  },
  { file: "single-quotes.conf", code: SYNTAX, at: "5:3", pointer: "", here: "'ipam'", says: ["double quotes"] },
  {
    file: "leading-zero.conf",
    code: SYNTAX,
    at: "5:30",
    pointer: "/ipam/pre-allocate",
    here: "8",
    says: ["where a comma"],
  },
  {
    file: "bad-escape.conf",
    code: SYNTAX,
    at: "5:15",
    pointer: "/log-file",
    here: '"C:\\cilium.log"',
    says: ["an escape that JSON does not know", "allowed are"],
  },
  { file: "yaml.conf", code: SYNTAX, at: "1:1", pointer: "", here: "apiVersion", says: ["is not JSON"] },
  { file: "utf-16.conf", code: SYNTAX, at: "1:1", pointer: "", says: ["UTF-16", "allowed is JSON in UTF-8"] },
  { file: "gzip.conf", code: SYNTAX, at: "1:2", pointer: "", says: ["byte 0x8b at offset 1", "binary or not UTF-8"] },
  { file: "nul-byte.conf", code: SYNTAX, at: "2:18", pointer: "", says: ["byte 0x00"] },
  { file: "latin-1.conf", code: SYNTAX, at: "2:15", pointer: "", says: ["byte 0xe9"] },
];

function failure(bytes: Uint8Array, file: string): EnidError {
  try {
    readConfiguration(bytes, file);
  } catch (error) {
    if (error instanceof EnidError) return error;
    throw error;
  }
  throw new Error(`${file} was accepted`);
}

function failureOfText(text: string): EnidError {
  return failure(Buffer.from(text), "/etc/enid.conf");
}

describe("a broken configuration file", () => {
  it("is tested for every file in the folder", () => {
    expect(readdirSync(FOLDER).toSorted()).toEqual(broken.map(({ file }) => file).toSorted());
  });

  it.each(broken)("$file gets one clear message: $code at $at", (expected) => {
    const bytes = readFileSync(join(FOLDER, expected.file));
    const name = `/etc/cni/net.d/${expected.file}`;
    const error = failure(bytes, name);
    expect(error.code).toBe(expected.code);
    expect(error.entry.exit).toBe(3);
    const problems = error.details as readonly Problem[];
    expect(problems).toHaveLength(1);
    const [{ place, pointer, related, message } = expect.fail("no problem")] = problems;
    expect(`${place.line}:${place.column}`).toBe(expected.at);
    expect(place).toMatchObject({ file: name, pointer: expected.pointer });
    expect(pointer).toBe(expected.pointer);
    expect(error.message).toBe(`configuration ${message}`);
    expect(error.message).toContain(`${name}:${expected.at}`);
    expect(error.message).toContain(expected.pointer);
    for (const part of expected.says) expect(error.message).toContain(part);
    expect(related && `${related.line}:${related.column}`).toBe(expected.related);
    if (expected.here !== undefined) {
      const line = bytes.toString("utf8").split("\n")[place.line - 1] ?? "";
      expect(line.slice(place.column - 1)).toSatisfy((rest: string) => rest.startsWith(expected.here ?? ""));
    }
  });

  it("of 10 MB is refused by its size, before it is looked into", () => {
    const error = failure(new Uint8Array(10 * 1024 * 1024), "/etc/enid.conf");
    expect(error.code).toBe("ENID_CONFIG_TOO_LARGE");
    expect(error.message).toBe("configuration /etc/enid.conf has 10485760 bytes; at most 1048576 are read");
  });

  it("of exactly 1 MiB is still read", () => {
    const text = '{"ipam":{"pre-allocate":0}}'.padEnd(1024 * 1024, " ");
    expect(readConfiguration(Buffer.from(text), "/etc/enid.conf").values).toEqual({ "pre-allocate": 0 });
  });

  it.each([
    ["lists", "[".repeat(500_000)],
    ["objects", '{"eni":'.repeat(100_000)],
  ])("nested without end in %s is refused instead of overflowing the stack", (_, text) => {
    const error = failureOfText(text);
    expect(error.code).toBe(SYNTAX);
    expect(error.message).toContain("nested deeper than 32 levels");
  });

  it("with hundreds of thousands of values is refused early", () => {
    const error = failureOfText(`{"eni":{"subnet-ids":[${"1,".repeat(400_000)}1]}}`);
    expect(error.code).toBe(SYNTAX);
    expect(error.message).toContain("more than 20000 names and values");
  });

  it("reports all its problems at once, in the order of the file", () => {
    const error = failureOfText(
      '{\n "eni": { "subnet-tag": {}, "subnet-ids": ["x"] },\n "ipam": { "pre-allocate": -1, "podCIDRs": ["10.0.0.1/24", "nonsense"] }\n}',
    );
    const problems = error.details as readonly Problem[];
    expect(problems.map(({ pointer }) => pointer)).toEqual([
      "/eni/subnet-tag",
      "/eni/subnet-ids/0",
      "/ipam/pre-allocate",
      "/ipam/podCIDRs",
      "/ipam/podCIDRs/0",
      "/ipam/podCIDRs/1",
    ]);
    const lines = error.message.split("\n");
    expect(lines[0]).toContain(problems[0]?.message);
    expect(lines[1]).toBe("and 5 more:");
    expect(lines.slice(2)).toEqual(problems.slice(1).map(({ message }) => `  ${message}`));
  });

  it("with very many problems lists 20 and counts the others", () => {
    const keys = Array.from({ length: 50 }, (_, at) => `"unknown-${at}":1`).join(",");
    const error = failureOfText(`{"eni":{${keys}}}`);
    expect(error.details).toHaveLength(50);
    const lines = error.message.split("\n");
    expect(lines).toHaveLength(22);
    expect(lines.at(-1)).toBe("  … and 30 that are not listed");
  });

  it("cannot steer the terminal that shows its message, nor flood it", () => {
    const hostile = `{"ipam":{"\\u001b[2J\\u202e":1,"pre-allocate":"${"x".repeat(100_000)}"}}`;
    const { message } = failureOfText(hostile);
    expect(message).not.toContain("\u001b");
    expect(message).not.toContain("\u202e");
    expect(message).toContain("\\u001b[2J\\u202e");
    expect(message.length).toBeLessThan(1_500);
  });

  it.each([
    ["a tag key of 128 characters", `{"eni":{"subnet-tags":{"${"k".repeat(128)}":"v"}}}`, "has 128 characters"],
    ["a tag value of 257 characters", `{"eni":{"subnet-tags":{"k":"${"v".repeat(257)}"}}}`, "has 257 characters"],
    [
      "51 tags",
      `{"eni":{"subnet-tags":{${Array.from({ length: 51 }, (_, at) => `"k${at}":"v"`).join(",")}}}}`,
      "has 51 entries",
    ],
    [
      "201 subnets",
      `{"eni":{"subnet-ids":[${Array.from({ length: 201 }, (_, at) => `"subnet-${String(at).padStart(8, "0")}"`).join(",")}]}}`,
      "has 201 entries",
    ],
  ])("with %s is refused", (_, text, words) => {
    const error = failureOfText(text);
    expect(error.code).toBe(INVALID);
    expect(error.message).toContain(words);
  });

  it("with tags at the limits of EC2 is accepted", () => {
    const tags = Object.fromEntries(
      Array.from({ length: 50 }, (_, at) => [`${at}`.padEnd(127, "ü"), "🙂".repeat(256)]),
    );
    const text = JSON.stringify({ eni: { "subnet-tags": tags } });
    expect(readConfiguration(Buffer.from(text), "/etc/enid.conf").values["subnet-tags"]).toEqual(tags);
  });
});
