import type { Link } from "./actual.ts";

/** The link of an interface, or why there is none. */
export type Found = { readonly link: Link } | { readonly problem: string; readonly missing: boolean };

/**
 * By MAC, because names change (eth1 becomes ens6). As Cilium does it, a bond's members are not looked at; neither are
 * those of a bridge, and nothing that stands on top of a link and has its MAC.
 */
export function linkOfMac(links: readonly Link[], mac: string): Found {
  const found = links.filter((link) => link.mac === mac && !link.member && !link.stacked);
  const [link, other] = found;
  if (link === undefined) return { problem: `no link has the MAC ${mac}`, missing: true };
  if (other === undefined) return { link };
  const names = found.map(({ device }) => device).join(" and ");
  return { problem: `${found.length} links have the MAC ${mac}: ${names}`, missing: false };
}
