import { describe, expect, test } from "bun:test";
import { PeerResolver } from "../../../../src/transport/peer/peer-address.ts";

const none = () => null;
const addressOf = (trusted: readonly string[], socket: string, forwardedFor: string | null) =>
  new PeerResolver(trusted).resolve(socket, () => forwardedFor).address;

describe("spoofed X-Forwarded-For", () => {
  test("is not read if no proxy is trusted", () => {
    const peers = new PeerResolver([]);
    expect(peers.resolve("203.0.113.9", () => expect.unreachable("the header was read")).address).toBe("203.0.113.9");
  });

  test("from another address than the trusted proxy's is ignored", () => {
    expect(addressOf(["10.0.0.1"], "10.0.0.2", "198.51.100.1")).toBe("10.0.0.2");
  });

  test("before the hop of the trusted proxy is ignored: the first untrusted hop from the right is the peer", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "1.1.1.1, 198.51.100.7")).toBe("198.51.100.7");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2,10.0.0.3")).toBe("198.51.100.7");
  });

  test("that names a trusted address beyond the client is ignored", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "10.9.9.9, 198.51.100.7")).toBe("198.51.100.7");
  });

  test("on an untrusted socket is ignored, though another socket was trusted before", () => {
    const peers = new PeerResolver(["10.0.0.1"]);
    expect(peers.resolve("10.0.0.1", () => "198.51.100.1").address).toBe("198.51.100.1");
    expect(peers.resolve("203.0.113.9", () => "198.51.100.1").address).toBe("203.0.113.9");
    expect(peers.resolve("10.0.0.1", () => "198.51.100.2").address).toBe("198.51.100.2");
  });

  test("beyond a hop that is not an address is ignored", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "198.51.100.7, unknown, 10.0.0.2")).toBe("10.0.0.2");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "198.51.100.7, ,10.0.0.2")).toBe("10.0.0.2");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "1.2.3.4; drop")).toBe("10.0.0.1");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "fe80::1%eth0")).toBe("10.0.0.1");
  });

  test("that is missing or empty makes the proxy the peer", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", null)).toBe("10.0.0.1");
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "")).toBe("10.0.0.1");
  });

  test("with trusted hops only makes the farthest one the peer", () => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "10.0.0.4, 10.0.0.3")).toBe("10.0.0.4");
  });

  test("with a very long chain is read for a bounded number of hops", () => {
    const chain = `198.51.100.7, ${Array.from({ length: 100_000 }, () => "10.0.0.2").join(",")}`;
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", chain)).toBe("10.0.0.2");
  });
});

describe("a hop with a port or brackets", () => {
  test.each([
    ["198.51.100.7:1234", "198.51.100.7"],
    ["[2001:db8::1]:1234", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["::ffff:198.51.100.7", "198.51.100.7"],
  ])("%s is an address", (hop, address) => {
    expect(addressOf(["10.0.0.0/8"], "10.0.0.1", hop)).toBe(address);
  });

  test.each(["198.51.100.7:", "198.51.100.7:99x", "[198.51.100.7", "2001:db8::1]:1", "198.51.100.7:1:2"])(
    "%s is not an address",
    (hop) => {
      expect(addressOf(["10.0.0.0/8"], "10.0.0.1", hop)).toBe("10.0.0.1");
    },
  );
});

describe("the network of a peer", () => {
  test("is the IPv4 address, also of an IPv4-mapped IPv6 address", () => {
    const peer = { address: "192.0.2.1", network: "192.0.2.1" };
    expect(new PeerResolver([]).resolve("192.0.2.1", none)).toEqual(peer);
    expect(new PeerResolver([]).resolve("::ffff:192.0.2.1", none)).toEqual(peer);
    expect(addressOf(["10.0.0.0/8"], "::ffff:10.0.0.1", "192.0.2.1")).toBe("192.0.2.1");
    expect(addressOf(["::ffff:10.0.0.0/104"], "10.0.0.1", "192.0.2.1")).toBe("192.0.2.1");
  });

  test("is the /64 of an IPv6 address, so that the addresses of one client share a budget", () => {
    const peers = new PeerResolver([]);
    const networks = ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"].map(
      (address) => peers.resolve(address, none).network,
    );
    expect(networks).toEqual(["2001:db8:1:2::/64", "2001:db8:1:2::/64", "2001:db8:1:3::/64"]);
  });

  test("is `unknown` if the runtime reports no address", () => {
    expect(new PeerResolver([]).resolve(undefined, none)).toEqual({ address: "unknown", network: "unknown" });
    expect(new PeerResolver([]).resolve("not an address", none)).toEqual({ address: "unknown", network: "unknown" });
  });

  test("is right for more peers than the cache holds", () => {
    const peers = new PeerResolver([]);
    for (let n = 0; n < 10_000; n++) {
      const address = `10.0.${n >> 8}.${n & 255}`;
      expect(peers.resolve(address, none).address).toBe(address);
    }
    expect(peers.resolve("10.0.0.0", none).network).toBe("10.0.0.0");
  });
});

test("a trusted proxy that is not an address or a CIDR block is refused by the constructor", () => {
  for (const bad of ["10.0.0.0/33", "10.0.0.0/", "proxy.example", ""])
    expect(() => new PeerResolver([bad])).toThrow(RangeError);
});
