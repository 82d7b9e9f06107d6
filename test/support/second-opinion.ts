import { BlockList, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

// Copied from the registries a second time, as text by family, to detect a wrong byte in the guard.
const notPublicV4 = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12"],
  ...["192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"],
  ...["192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"],
];
const notPublicV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20", "2620:4f:8000::/48"];

function blockListOf(family: "ipv4" | "ipv6", blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = "", bits] = block.split("/");
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const specialV4 = blockListOf("ipv4", notPublicV4);
const specialV6 = blockListOf("ipv6", notPublicV6);
const globalV6 = blockListOf("ipv6", ["2000::/3"]);

/**
 * Whether both `ipaddr.js` and `net.BlockList` treat the address as public. Each alone has gaps; the guard must never
 * be weaker than both together.
 *
 * @param address in plain text
 */
export function isPublicToOthers(address: string): boolean {
  if (ipaddr.parse(address).range() !== "unicast") return false;
  // Pass the family: without it, BlockList allows every IPv6 address.
  if (!isIPv6(address)) return !specialV4.check(address, "ipv4");
  return globalV6.check(address, "ipv6") && !specialV6.check(address, "ipv6");
}
