import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  PROXY_HEADER_BYTES_MAX,
  ProxyProtocolError,
  type ProxyRead,
  readProxyHeader,
} from "../../../../src/transport/peer/proxy-protocol.ts";
import { proxyV1, proxyV2 } from "../../../support/proxy-header.ts";

const text = (bytes: string) => Buffer.from(bytes, "latin1");
const outcome = (bytes: Buffer): ProxyRead | "refused" => {
  try {
    return readProxyHeader(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(ProxyProtocolError);
    return "refused";
  }
};
const V2_START = proxyV2("203.0.113.7").subarray(0, 12);

describe("a valid PROXY header", () => {
  test.each([
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8::1", "2001:db8::1"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
  ])("of version 1 names %s", (source, address) => {
    const header = proxyV1(source);
    expect(readProxyHeader(Buffer.concat([header, text("GET /")]))).toEqual({ headerBytes: header.length, address });
  });

  test.each([
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8:0:0:0:0:0:1", "2001:db8::1"],
    ["0:0:0:0:0:ffff:cb00:7107", "203.0.113.7"],
  ])("of version 2 names %s, with and without type-length-values", (source, address) => {
    for (const tlvs of ["", "\x04\0\x05hello"]) {
      const header = proxyV2(source, { tlvs });
      expect(readProxyHeader(Buffer.concat([header, text("GET /")]))).toEqual({ headerBytes: header.length, address });
    }
  });

  test("names no client if it is LOCAL, UNKNOWN or UNSPEC", () => {
    for (const line of ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 what ever 1 2\r\n"]) {
      expect(readProxyHeader(text(line))).toEqual({ headerBytes: line.length, address: undefined });
    }
    for (const header of [
      proxyV2("203.0.113.7", { command: 0x20 }),
      proxyV2("203.0.113.7", { command: 0x20, family: 0x31 }),
      proxyV2("203.0.113.7", { family: 0 }),
      Buffer.concat([V2_START, text("\x20\0\0\0")]),
    ]) {
      expect(readProxyHeader(header)).toEqual({ headerBytes: header.length, address: undefined });
    }
  });
});

describe("a malformed PROXY header is refused", () => {
  test.each([
    "PROXY TCP4 203.0.113.7 10.0.0.1 1\r\n",
    "PROXY TCP4 203.0.113.7 10.0.0.1 1 2 3\r\n",
    "PROXY TCP4  203.0.113.7 10.0.0.1 1 2\r\n",
    "PROXY TCP4 203.0.113.07 10.0.0.1 1 2\r\n",
    "PROXY TCP4 203.0.113.7 10.0.0.256 1 2\r\n",
    "PROXY TCP4 203.0.113.7 10.0.0.1 1 65536\r\n",
    "PROXY TCP4 203.0.113.7 10.0.0.1 01 2\r\n",
    "PROXY TCP4 203.0.113.7 10.0.0.1 -1 2\r\n",
    "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
    "PROXY TCP6 203.0.113.7 10.0.0.1 1 2\r\n",
    "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
    "PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n",
    "PROXY tcp4 203.0.113.7 10.0.0.1 1 2\r\n",
    "PROXY \r\n",
    "PROXY TCP4 203.0.113.7 10.0.0.1 1 2\n GET / HTTP/1.1\r\n",
    `PROXY UNKNOWN ${"x".repeat(100)}\r\n`,
  ])("%j", (line) => expect(outcome(text(line))).toBe("refused"));

  test.each([
    ["version 1 in the binary format", proxyV2("203.0.113.7", { command: 0x11 })],
    ["an unknown command", proxyV2("203.0.113.7", { command: 0x22 })],
    ["UDP", proxyV2("203.0.113.7", { family: 0x12 })],
    ["a Unix socket", proxyV2("203.0.113.7", { family: 0x31 })],
    ["IPv6 in an address block of IPv4's length", proxyV2("203.0.113.7", { family: 0x21 })],
    ["an incomplete address block", Buffer.concat([V2_START, text("\x21\x11\0\x0b01234567890")])],
    ["longer than one packet", proxyV2("203.0.113.7", { tlvs: "x".repeat(PROXY_HEADER_BYTES_MAX) })],
  ])("%s", (_, header) => expect(outcome(header)).toBe("refused"));

  test("a header that announces too many bytes, before they arrive", () => {
    expect(outcome(Buffer.concat([V2_START, text("\x21\x11\xff\xff")]))).toBe("refused");
    expect(outcome(text(`PROXY UNKNOWN ${"x".repeat(93)}`))).toBe("refused");
  });
});

const headers = fc.oneof(
  fc.ipV4().map((address) => proxyV1(address)),
  fc.ipV6().map((address) => proxyV1(address.includes(".") ? "::1" : address)),
  fc.tuple(fc.ipV4(), fc.string({ maxLength: 200 })).map(([address, tlvs]) => proxyV2(address, { tlvs })),
  fc.constantFrom(proxyV1("203.0.113.7"), proxyV2("2001:db8:0:0:0:0:0:1"), proxyV2("203.0.113.7", { command: 0x20 })),
);

describe("for any header", () => {
  test("a prefix is `more`, and bytes after the header do not change the result", () => {
    fc.assert(
      fc.property(headers, fc.uint8Array(), (header, rest) => {
        for (let at = 0; at < header.length; at++) expect(outcome(header.subarray(0, at))).toBe("more");
        const whole = outcome(header);
        expect(whole).toMatchObject({ headerBytes: header.length });
        expect(outcome(Buffer.concat([header, rest]))).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  test("a changed byte never makes the header longer than the limit, nor `more` at that length", () => {
    fc.assert(
      fc.property(headers, fc.nat(), fc.nat(255), (header, at, byte) => {
        const changed = Buffer.concat([header, Buffer.alloc(PROXY_HEADER_BYTES_MAX)]);
        changed[at % header.length] = byte;
        const read = outcome(changed);
        expect(read).not.toBe("more");
        if (typeof read === "object") expect(read.headerBytes).toBeLessThanOrEqual(PROXY_HEADER_BYTES_MAX);
      }),
      { numRuns: 500 },
    );
  });

  test("further bytes never change a result, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (first, second) => {
        const early = outcome(Buffer.from(first));
        if (early !== "more") expect(outcome(Buffer.from([...first, ...second]))).toEqual(early);
      }),
      { numRuns: 500 },
    );
  });
});

test.each(["GET / HTTP/1.1", "POST", "PRI * HTTP/2.0", "PROXYING", "\r\nGET /", "\x16\x03\x01", "\r\n\r\n\0\r\nQUID"])(
  "%j is not a PROXY header",
  (bytes) => expect(outcome(text(bytes))).toBe("none"),
);
