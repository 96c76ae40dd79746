import { isIP } from "node:net";

/** An IP address. `parts` holds the 4 bytes of an IPv4 address, or the 8 groups of 16 bits of an IPv6 address. */
export type IpAddress =
  | { readonly family: 4; readonly parts: readonly number[] }
  | { readonly family: 6; readonly parts: readonly number[] };

/** A CIDR block: all addresses whose first `prefixBits` bits equal those of `base`. */
export interface IpBlock {
  readonly base: IpAddress;
  readonly prefixBits: number;
}

/**
 * Parses an IP address. Returns `undefined` if the text is not an address. An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) is
 * returned as IPv4.
 */
export function parseIp(text: string): IpAddress | undefined {
  const family = isIP(text);
  if (family === 4) return { family: 4, parts: text.split(".").map(Number) };
  if (family !== 6 || text.includes("%")) return undefined;
  const groups = expandGroups(text);
  return mappedIpv4(groups) ?? { family: 6, parts: groups };
}

/** Parses `address/bits`, or a single address. Throws `RangeError` if the text is neither. */
export function parseIpBlock(text: string): IpBlock {
  const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const base = parseIp(address);
  if (base === undefined) throw new RangeError(`not an IP address or block: ${text}`);
  const bitsMax = base.family === 4 ? 32 : 128;
  // An IPv4-mapped block is written as an IPv6 block, so its prefix length includes the 96 bits before the IPv4 address.
  const mappedBits = base.family === 4 && address.includes(":") ? 96 : 0;
  const prefixBits = bits === undefined ? bitsMax : Number(bits) - mappedBits;
  if (!Number.isInteger(prefixBits) || prefixBits < 0 || prefixBits > bitsMax)
    throw new RangeError(`not a prefix length: /${bits}`);
  return { base, prefixBits };
}

export function contains(block: IpBlock, address: IpAddress): boolean {
  if (block.base.family !== address.family) return false;
  const partBits = address.family === 4 ? 8 : 16;
  return address.parts.every((part, at) => {
    const bits = Math.min(Math.max(block.prefixBits - at * partBits, 0), partBits);
    const ignored = partBits - bits;
    return part >>> ignored === (block.base.parts[at] ?? 0) >>> ignored;
  });
}

/** Returns the canonical text of an address: dotted decimal for IPv4, RFC 5952 for IPv6. */
export function formatIp({ family, parts }: IpAddress): string {
  if (family === 4) return parts.join(".");
  const { start, end } = longestZeros(parts);
  const hex = parts.map((part) => part.toString(16));
  return end - start < 2 ? hex.join(":") : `${hex.slice(0, start).join(":")}::${hex.slice(end).join(":")}`;
}

/** Finds the longest run of zero groups. If several runs have this length, returns the first (RFC 5952 4.2.3). */
function longestZeros(parts: readonly number[]): { start: number; end: number } {
  let longest = { start: 0, end: 0 };
  for (let start = 0; start < parts.length; start++) {
    let end = start;
    while (parts[end] === 0) end++;
    if (end - start > longest.end - longest.start) longest = { start, end };
  }
  return longest;
}

/** Returns the /64 block of an IPv6 address as text. One client usually controls a whole /64. */
export function formatSlash64({ parts }: IpAddress): string {
  return `${parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(":")}::/64`;
}

/** Returns the 8 groups of a valid IPv6 address. Expands `::`, and converts an IPv4 address at the end to two groups. */
function expandGroups(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const before = groupsOf(head);
  if (tail === undefined) return before;
  const after = groupsOf(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function mappedIpv4(groups: readonly number[]): IpAddress | undefined {
  const [g0, g1, g2, g3, g4, g5, high = 0, low = 0] = groups;
  const isMapped = [g0, g1, g2, g3, g4].every((group) => group === 0) && g5 === 0xffff;
  return isMapped ? { family: 4, parts: [high >>> 8, high & 0xff, low >>> 8, low & 0xff] } : undefined;
}
