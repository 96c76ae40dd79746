import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AllListeners } from "../../support/all-listeners.ts";
import { http2, RawHttp1 } from "../../support/raw-http.ts";

/** RFC 9112 3.2: a request has one valid Host. Its value does not change how the gateway serves the request. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const JWKS = "/.well-known/jwks.json";

const all = new AllListeners();
beforeAll(() => all.open(), 30_000);
afterAll(() => all.close());

const VALID = [
  "",
  "a",
  "ab",
  "abc",
  "a:1",
  "example.com",
  "a.example:8443",
  "h:",
  "1.2.3.4",
  "[::1]",
  "[::1]:80",
  "a_b",
  "x".repeat(300),
];
const INVALID = [
  "u@h",
  "h/p",
  "h?x",
  "h#f",
  "::1",
  "[::1",
  "h h",
  "h,h2",
  "h\\x",
  "h%2",
  "é",
  "h:x",
  "h:1:2",
  "<h>",
  "h\u00a0",
];

/** The status of the answer to a GET with these header lines. */
async function statusOf(url: string, lines: readonly string[], path: string, version = "1.1"): Promise<number | undefined> {
  const connection = await RawHttp1.open(url);
  connection.send(Buffer.from(`GET ${path} HTTP/${version}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`, "latin1"));
  const answer = await connection.answer();
  connection.close();
  return answer?.status;
}

describe.each(all.entryPoints.filter(({ version }) => version === "HTTP/1.1"))("$name", ({ url }) => {
  test("a Host of any length is served, and so is HTTP/1.0 without a Host", async () => {
    for (const host of VALID) expect([host, await statusOf(url(), [`Host: ${host}`], JWKS)]).toEqual([host, 200]);
    expect(await statusOf(url(), [], JWKS, "1.0")).toBe(200);
    expect(await statusOf(url(), [], EXECUTE, "1.0")).toBe(405);
    expect(await statusOf(url(), [], "/nothing", "1.0")).toBe(404);
    expect(await statusOf(url(), ["Host: a"], "/nothing")).toBe(404);
  });

  test("no Host in HTTP/1.1, two Hosts or an invalid Host: 400", async () => {
    expect(await statusOf(url(), [], JWKS)).toBe(400);
    for (const host of INVALID) expect([host, await statusOf(url(), [`Host: ${host}`], JWKS)]).toEqual([host, 400]);
    const twice = [
      ["Host: a", "Host: b"],
      ["Host: a", "Host: a"],
      ["Host: a", "X: y", "hOST: a"],
      ["Host:", "Host: a"],
      ["Host: a", "Host:"],
    ];
    for (const lines of twice) {
      for (const version of ["1.1", "1.0"]) {
        for (const path of [JWKS, EXECUTE, "/nothing"]) {
          expect([lines, version, path, await statusOf(url(), lines, path, version)]).toEqual([lines, version, path, 400]);
        }
      }
    }
  });
});

describe.each(all.entryPoints.filter(({ version }) => version === "HTTP/2"))("$name", ({ url }) => {
  const get = async (headers: Record<string, string>) =>
    (await http2(url(), { method: "GET", path: EXECUTE, headers }))?.status;

  test("an authority of any length is served, and so is a Host instead of it", async () => {
    for (const host of VALID.filter((each) => each !== ""))
      expect([host, await get({ ":authority": host })]).toEqual([host, 405]);
    expect(await get({ ":authority": "a", host: "a" })).toBe(405);
    expect(await get({ host: "a" })).toBe(405);
  });

  test("an invalid authority, or an authority and a Host that differ, is malformed (RFC 9113 8.3.1)", async () => {
    // Bun resets the stream for some of them.
    const refused = (status: number | undefined) => status === undefined || status === 400;
    for (const host of INVALID) expect([host, refused(await get({ ":authority": host }))]).toEqual([host, true]);
    expect(refused(await get({ ":authority": "a", host: "b" }))).toBe(true);
    expect(refused(await get({ ":authority": "a", host: "a:443" }))).toBe(true);
  });
});

test("the admin listener serves HTTP/1.0 without a Host, and refuses two Hosts", async () => {
  const { adminUrl } = all.world("edge").gateway;
  for (const path of ["/healthz", "/streams", "/streams?limit=1", "/metrics"]) {
    expect([path, await statusOf(adminUrl, [], path, "1.0")]).toEqual([path, 200]);
    expect([path, await statusOf(adminUrl, ["Host: 127.0.0.1", "Host: localhost"], path)]).toEqual([path, 400]);
  }
  expect(await statusOf(adminUrl, [], "/nothing", "1.0")).toBe(404);
});
