import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { forwardedHops } from "../../../../src/transport/peer/forwarded.ts";
import { PeerResolver } from "../../../../src/transport/peer/peer-address.ts";

const hopsOf = (header: string) => [...forwardedHops(header)];
const addressOf = (header: string | null) =>
  new PeerResolver(["10.0.0.0/8"], "forwarded").resolve("10.0.0.1", () => header).address;

describe("a hop of Forwarded (RFC 7239)", () => {
  test.each([
    ["for=192.0.2.43", "192.0.2.43"],
    ['for="192.0.2.43:47011"', "192.0.2.43"],
    ['For="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"],
    ['for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"],
    ["for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"],
    ['by=203.0.113.43 ; FOR="192.0.2.60:_port" ; host="a;b,c"', "192.0.2.60"],
  ])("%s names a client", (header, address) => {
    expect(hopsOf(header)).toEqual([address]);
  });

  test.each([
    "for=unknown",
    "for=_hidden",
    'for="_SEVKISEK"',
    "proto=https;by=10.0.0.1",
    "for=192.0.2.1;for=192.0.2.2",
    'for="2001:db8::1"',
    'for="192.0.2.1',
    "for",
    "",
    "192.0.2.1",
    "for=192.0.2.1:99999x",
  ])("%s names no client", (header) => {
    expect(hopsOf(header)).toEqual([""]);
  });

  test("is yielded nearest first, also with commas and semicolons in quoted strings", () => {
    const header = 'for=192.0.2.1;host="x,y", for="[2001:db8::1]";by="a\\",b", for=10.0.0.3';
    expect(hopsOf(header)).toEqual(["10.0.0.3", "2001:db8::1", "192.0.2.1"]);
  });
});

describe("spoofed Forwarded", () => {
  test("before the element of the trusted proxy is ignored", () => {
    expect(addressOf("for=1.1.1.1, for=198.51.100.7")).toBe("198.51.100.7");
    expect(addressOf('for=1.1.1.1, for="198.51.100.7:1234", for=10.0.0.2')).toBe("198.51.100.7");
  });

  test("with an unpaired quotation mark does not hide the element of the proxy", () => {
    expect(addressOf('for="1.1.1.1, for=198.51.100.7')).toBe("198.51.100.7");
    expect(addressOf('for="1.1.1.1\\, for="[2001:db8::7]:1"')).toBe("2001:db8::7");
  });

  test("never changes how the element of the proxy is parsed", () => {
    const client = fc.string({ unit: fc.constantFrom('"', "\\", ",", ";", "=", "f", "o", "r", " ", "1", "."), maxLength: 40 });
    const elements = fc.constantFrom("for=198.51.100.7", 'for="198.51.100.7:80";proto=https', 'by="[::1]";for=198.51.100.7');
    fc.assert(
      fc.property(client, elements, (spoofed, appended) => {
        expect(addressOf(`${spoofed}, ${appended}`)).toBe("198.51.100.7");
      }),
    );
  });

  test("beyond an obfuscated hop is ignored: the last known proxy is the peer", () => {
    expect(addressOf("for=198.51.100.7, for=unknown, for=10.0.0.2")).toBe("10.0.0.2");
    expect(addressOf("for=198.51.100.7, for=_hidden")).toBe("10.0.0.1");
    expect(addressOf(null)).toBe("10.0.0.1");
  });

  test("is not read if X-Forwarded-For is configured, and vice versa", () => {
    const headersRead: string[] = [];
    for (const header of ["x-forwarded-for", "forwarded"] as const) {
      const peers = new PeerResolver(["10.0.0.1"], header);
      peers.resolve("10.0.0.1", () => {
        headersRead.push(peers.header);
        return null;
      });
    }
    expect(headersRead).toEqual(["x-forwarded-for", "forwarded"]);
  });

  test("in a very long chain is read for a bounded number of hops", () => {
    const chain = `for=198.51.100.7, ${Array.from({ length: 100_000 }, () => "for=10.0.0.2").join(",")}`;
    expect(addressOf(chain)).toBe("10.0.0.2");
  });
});
