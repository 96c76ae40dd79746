import { describe, expect, test } from "bun:test";
import type { Decoder } from "../../../src/config/decoder.ts";
import { resolveConfig } from "../../../src/config/load.ts";
import type { RouteConfig } from "../../../src/config/route-config.ts";
import { routes } from "../../../src/config/routes.ts";
import { cidr, httpUrl, int, listen, positive } from "../../../src/config/values.ts";

function accepts(kind: Decoder<unknown>, raw: unknown): boolean {
  return kind.decode(raw).ok;
}

function expectRefused(kind: Decoder<unknown>, raws: readonly unknown[]): void {
  expect(raws.filter((raw) => accepts(kind, raw))).toEqual([]);
}

function expectAccepted(kind: Decoder<unknown>, raws: readonly unknown[]): void {
  expect(raws.filter((raw) => !accepts(kind, raw))).toEqual([]);
}

test("a listen address requires a host and a port", () => {
  expect(listen.decode("0.0.0.0:80")).toEqual({ ok: true, value: { host: "0.0.0.0", port: 80 } });
  expect(listen.decode("[2001:db8::1]:65535")).toEqual({ ok: true, value: { host: "2001:db8::1", port: 65_535 } });
  expectAccepted(listen, ["localhost:0", "gw-1.example.com:443"]);
  expectRefused(listen, [
    "",
    ":80",
    "8080",
    "::1:80",
    "[::1]",
    "[1.2.3.4]:80",
    "1.2.3:80",
    "1.2.3.400:80",
    "a:65536",
    "a:-1",
    "*:80",
    "a b:1",
    80,
    null,
  ]);
});

test("a CIDR range is an address with a valid prefix length", () => {
  expectAccepted(cidr, ["10.0.0.0/8", "10.1.2.3", "::/0", "fd00::/128", "::ffff:10.0.0.1"]);
  expectRefused(cidr, [
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "fe80::1%eth0",
    "localhost",
    "",
    10,
  ]);
});

test("a URL with credentials, a query or another protocol is refused", () => {
  expectAccepted(httpUrl, ["http://127.0.0.1:8083", "https://b.example/base"]);
  expectRefused(httpUrl, [
    "b.example:80",
    "ftp://b.example",
    "http://u:p@b.example",
    "http://b.example?x",
    "http://b.example/#x",
    "http://",
    1,
  ]);
});

test("numbers outside their bounds and texts that are not numbers are refused", () => {
  const kind = int("ms", 1, 100);
  expectRefused(kind, [0, 101, 1.5, Number.NaN, "5", true, null]);
  const texts = ["5", " 7 ", "5ms", "", "0x10", "1e2", "5.0"];
  expect(texts.filter((text) => accepts(kind, kind.fromText(text)))).toEqual(["5", " 7 "]);
  const rate = positive("tokens a second", 10);
  expectRefused(rate, [0, -1, 11, Number.POSITIVE_INFINITY, "1"]);
  expect([".5", "0.1", "1e-2", "", "1/2", "-1"].filter((text) => accepts(rate, rate.fromText(text)))).toEqual([
    ".5",
    "0.1",
    "1e-2",
  ]);
});

describe("routes", () => {
  const route: RouteConfig = { message_type: "chat.send", method: "POST", path: "/api/v1/user/rooms/{room_id}/messages" };

  test("a complete route is accepted unchanged", () => {
    const whole = { ...route, timeout_ms: 1, budget: { rate: 0.5, burst: 1 } };
    expect(routes.decode([route, { ...whole, message_type: "a.b" }])).toEqual({
      ok: true,
      value: [route, { ...whole, message_type: "a.b" }],
    });
  });

  test("a route with a reserved message type or with invalid or unknown fields is refused", () => {
    const paths = ["/api/v1/user/../x", "/api/v1/user/./x", "/api/v1/user//x", "/api/v1/user/x?y=1"];
    const malformed = [
      "/api/v1/user/{x}/{x}",
      "/api/v1/user/{}",
      "/api/v1/user/%2e%2e",
      "/api/v1/user/{x",
      "api/v1/user/x",
      undefined,
    ];
    expectRefused(
      routes,
      [...paths, ...malformed].map((path) => [{ ...route, path }]),
    );
    const types = ["gateway.subscribe", "chat", "Chat.send", "chat.", "chat..send", `a.${"b".repeat(127)}`, 5];
    expectRefused(
      routes,
      types.map((message_type) => [{ ...route, message_type }]),
    );
    expectRefused(
      routes,
      ["get", "HEAD", undefined].map((method) => [{ ...route, method }]),
    );
    expectRefused(
      routes,
      [0, 120_001, "5"].map((timeout_ms) => [{ ...route, timeout_ms }]),
    );
    expectRefused(
      routes,
      [{ rate: 0, burst: 1 }, { rate: 1 }, { rate: 1, burst: 0.5 }].map((budget) => [{ ...route, budget }]),
    );
    expectRefused(routes, [[{ ...route, retries: 3 }], ["x"], {}, "x"]);
  });

  test("a message type with two routes is refused by name", () => {
    expect(routes.decode([route, route])).toEqual({
      ok: false,
      problems: [{ at: [1, "message_type"], text: 'got "chat.send" a second time, expected each once' }],
    });
  });
});

describe("a time", () => {
  const next = Buffer.alloc(32, 1).toString("base64");
  const problemsOf = (text: string, file = "a.toml") =>
    resolveConfig({ env: {}, argv: ["--config", file], readFile: () => text }).problems;
  const inToml = (value: string) => problemsOf(`[keys]\nnext = "${next}"\nrotate_at = ${value}`);
  const inYaml = (value: string) => problemsOf(`keys:\n  next: "${next}"\n  rotate_at: ${value}`, "a.yaml");

  test.each(["2027-01-31T03:00:00Z", "2027-01-31T04:00:00+01:00", "2027-01-31 03:00:00.5Z", '"2027-01-31T03:00:00Z"'])(
    "%s is accepted in TOML and YAML, with and without quotation marks",
    (value) => expect([inToml(value), inYaml(value)]).toEqual([[], []]),
  );

  test("a timestamp of YAML is accepted", () => {
    expect(inYaml("!!timestamp 2027-01-31T03:00:00Z")).toEqual([]);
  });

  test.each(["2027-01-31", "2027-01-31T03:00:00", "03:00:00"])("%s of TOML has no offset from UTC, and is refused", (value) => {
    expect(inToml(value)).toEqual([expect.stringContaining("got a date or time, expected a time with its offset from UTC")]);
  });
});
