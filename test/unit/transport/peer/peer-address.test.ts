import { describe, expect, test } from "bun:test";
import { PeerResolver } from "../../../../src/transport/peer/peer-address.ts";

const none = () => null;
const addressOf = (trusted: readonly string[], socket: string, forwardedFor: string | null) =>
  new PeerResolver(trusted).resolve(socket, () => forwardedFor).address;

describe("spoofed X-Forwarded-For", () => {
  test("from a peer that nobody trusts is not even read", () => {
    const peers = new PeerResolver([]);
    expect(peers.resolve("203.0.113.9", () => expect.unreachable("the header was read")).address).toBe("203.0.113.9");
  });

  test("from a neighbour of the trusted proxy is ignored", () => {
    expect(addressOf(["10.0.0.1"], "10.0.0.2", "198.51.100.1")).toBe("10.0.0.2");
  });

  test("in front of what the trusted proxy appended is ignored: right to left, the first that is not trusted", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "1.1.1.1, 198.51.100.7")).toBe("198.51.100.7");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2,10.0.0.3")).toBe("198.51.100.7");
  });

  test("with a trusted address in front does not reach past the client", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "10.9.9.9, 198.51.100.7")).toBe("198.51.100.7");
  });

  test("one trusted socket does not make the next one trusted", () => {
    const peers = new PeerResolver(["10.0.0.1"]);
    expect(peers.resolve("10.0.0.1", () => "198.51.100.1").address).toBe("198.51.100.1");
    expect(peers.resolve("203.0.113.9", () => "198.51.100.1").address).toBe("203.0.113.9");
    expect(peers.resolve("10.0.0.1", () => "198.51.100.2").address).toBe("198.51.100.2");
  });

  test("a garbage hop ends the walk: nothing beyond it is believed", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "198.51.100.7, unknown, 10.0.0.2")).toBe("10.0.0.2");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "198.51.100.7, ,10.0.0.2")).toBe("10.0.0.2");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "1.2.3.4; drop")).toBe("10.0.0.1");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "fe80::1%eth0")).toBe("10.0.0.1");
  });

  test("without the header, or with an empty one, the proxy itself is the peer", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", null)).toBe("10.0.0.1");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "")).toBe("10.0.0.1");
  });

  test("where everybody is trusted, the farthest is the peer", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "10.0.0.4, 10.0.0.3")).toBe("10.0.0.4");
  });

  test("a chain without end is not walked to its end", () => {
    const chain = `198.51.100.7, ${Array.from({ length: 100_000 }, () => "10.0.0.2").join(",")}`;
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", chain)).toBe("10.0.0.2");
  });
});

describe("ports and brackets that proxies append", () => {
  test.each([
    ["198.51.100.7:1234", "198.51.100.7"],
    ["[2001:db8::1]:1234", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["::ffff:198.51.100.7", "198.51.100.7"],
  ])("%s", (hop, address) => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", hop)).toBe(address);
  });

  test.each(["198.51.100.7:", "198.51.100.7:99x", "[198.51.100.7", "2001:db8::1]:1", "198.51.100.7:1:2"])(
    "%s is garbage",
    (hop) => {
      expect(addressOf(["10.0.0.0/8"], "10.0.0.1", hop)).toBe("10.0.0.1");
    },
  );
});

describe("what budgets are counted against", () => {
  test("an IPv4 address, also where the socket says it as IPv6, in any case and trusted or not", () => {
    const peer = { address: "192.0.2.1", network: "192.0.2.1" };
    expect(new PeerResolver([]).resolve("192.0.2.1", none)).toEqual(peer);
    expect(new PeerResolver([]).resolve("::ffff:192.0.2.1", none)).toEqual(peer);
    expect(addressOf(["10.0.0.0/8"], "::ffff:10.0.0.1", "192.0.2.1")).toBe("192.0.2.1");
    expect(addressOf(["::ffff:10.0.0.0/104"], "10.0.0.1", "192.0.2.1")).toBe("192.0.2.1");
  });

  test("the /64 of an IPv6 address: a client does not get a new budget with each of its addresses", () => {
    const peers = new PeerResolver([]);
    const networks = ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"].map(
      (address) => peers.resolve(address, none).network,
    );
    expect(networks).toEqual(["2001:db8:1:2::/64", "2001:db8:1:2::/64", "2001:db8:1:3::/64"]);
  });

  test("a peer that the runtime cannot name has a budget too", () => {
    expect(new PeerResolver([]).resolve(undefined, none)).toEqual({ address: "unknown", network: "unknown" });
    expect(new PeerResolver([]).resolve("not an address", none)).toEqual({ address: "unknown", network: "unknown" });
  });

  test("many peers do not pile up in memory, and keep their names", () => {
    const peers = new PeerResolver([]);
    for (let n = 0; n < 10_000; n++) {
      const address = `10.0.${n >> 8}.${n & 255}`;
      expect(peers.resolve(address, none).address).toBe(address);
    }
    expect(peers.resolve("10.0.0.0", none).network).toBe("10.0.0.0");
  });
});

test("what is no address or block is refused at the start, not at the first request", () => {
  for (const bad of ["10.0.0.0/33", "10.0.0.0/", "proxy.example", ""])
    expect(() => new PeerResolver([bad])).toThrow(RangeError);
});
