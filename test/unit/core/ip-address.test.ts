import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contains, formatIp, formatSlash64, parseIp, parseIpBlock } from "../../../src/core/ip-address.ts";

const parsed = (text: string) => parseIp(text) ?? expect.unreachable(`${text} is no address`);

describe("an address has one canonical text (RFC 5952)", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:0:1:2:0:0:3:4", "::1:2:0:0:3:4"],
    ["1:0:0:2:3:4:0:0", "1::2:3:4:0:0"],
    ["1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["0:0:0:0:0:FFFF:192.0.2.1", "192.0.2.1"],
  ])("%s is formatted as %s", (text, canonical) => {
    expect(formatIp(parsed(text))).toBe(canonical);
  });

  test("a formatted IPv6 address parses to the same address, and equals the text of the URL parser (property test)", () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (parts) => {
        const full = parsed(parts.map((part) => part.toString(16)).join(":"));
        const text = formatIp(full);
        expect(parsed(text)).toEqual(full);
        // The URL parser also follows RFC 5952, but does not map IPv4-mapped addresses.
        if (full.family === 6) expect(`[${text}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
      { seed: 5952, numRuns: 500 },
    );
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "0x7f.1",
    "1:2",
    ":::",
    "1::2::3",
    "fe80::1%eth0",
    "[::1]",
    " ::1",
  ])("%j is not an address", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });
});

describe("the /64 of an IPv6 address", () => {
  test.each([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["::1", "0:0:0:0::/64"],
  ])("%s belongs to %s", (text, network) => {
    expect(formatSlash64(parsed(text))).toBe(network);
  });
});

describe("a block contains exactly the addresses with its prefix", () => {
  test.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["192.0.2.128/25", "192.0.2.129", true],
    ["192.0.2.128/25", "192.0.2.127", false],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::/0", "2001:db8::1", true],
    ["::/0", "192.0.2.1", false],
    ["::1", "::1", true],
    ["::ffff:10.0.0.0/104", "10.1.2.3", true],
    ["::ffff:10.0.0.0/104", "11.1.2.3", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
  ])("%s contains %s: %p", (block, address, held) => {
    expect(contains(parseIpBlock(block), parsed(address))).toBe(held);
  });

  test.each([
    "",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/0x8",
    "10.0.0.0/ 8",
    "10.0.0.0/8.0",
    "::/129",
    "a/8",
  ])("%j is refused, and never read as a block of all addresses", (text) => {
    expect(() => parseIpBlock(text)).toThrow(RangeError);
  });
});
