import { describe, expect, test } from "bun:test";
import { upstreamSettings } from "../../../src/app/upstream-settings.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { SERVE_RULES } from "../../../src/config/rules.ts";

const loadWith = (...settings: string[]) => loadConfig({ env: {}, argv: settings.flatMap((each) => ["--set", each]) });
const rows = (...all: object[]) => `upstreams=${JSON.stringify(all)}`;
const A = { name: "a", url: "https://a.example" };
const B = { name: "b", url: "https://b.example:8443/base/" };

test("serve accepts upstreams instead of backend.url", () => {
  const argv = ["push.url=http://p.example", `keys.current=${Buffer.alloc(32, 1).toString("base64")}`];
  const load = (...more: string[]) =>
    loadConfig({ env: {}, argv: [...argv, ...more].flatMap((each) => ["--set", each]), rules: SERVE_RULES });
  expect(() => load()).toThrow("backend.url: missing");
  expect(load(rows(A, B)).upstreams).toHaveLength(2);
});

test("each row becomes an upstream with weight 1 unless it has another, and backend.url is one upstream", () => {
  expect(upstreamSettings(loadWith(rows(A, { ...B, weight: 0 }))).rows).toEqual([
    { ...A, weight: 1 },
    { name: "b", url: "https://b.example:8443/base", weight: 0 },
  ]);
  expect(upstreamSettings(loadWith("backend.url=http://x.example")).rows).toEqual([
    { name: "backend", url: "http://x.example", weight: 1 },
  ]);
});

test("workers divide the limits of concurrency", () => {
  const { requestsMax, pendingMax } = upstreamSettings(
    loadWith("workers.count=3", "backend.requests_max=100", "backend.pending_max=10"),
  );
  expect([requestsMax, pendingMax]).toEqual([34, 4]);
});

describe("refused with what to change", () => {
  test.each([
    ["a name twice", [rows(A, { ...B, name: "a" })], '"a" a second time, expected each once'],
    ["a row without a name", [rows({ url: A.url })], "upstreams[0].name (flag --set)"],
    ["a URL without a scheme", [rows({ ...A, url: "a.example:80" })], "upstreams[0].url (flag --set)"],
    ["a URL with a user", [rows({ ...A, url: "https://me@a.example" })], "upstreams[0].url (flag --set)"],
    ["a negative weight", [rows({ ...A, weight: -1 })], "upstreams[0].weight (flag --set)"],
    ["a misspelt field", [rows({ ...A, wieght: 1 })], "unknown field"],
    ["no weight above 0", [rows({ ...A, weight: 0 }, { ...B, weight: 0 })], "every weight is 0"],
    ["both ways to give the backend", [rows(A), "backend.url=http://x.example"], "expected one of them"],
    ["both ways to give the token", ["backend.token=t", "backend.token_file=/t"], "expected one of them"],
    ["a certificate without a key", [rows(A), "backend.certificate_file=/c.pem"], "without backend.key_file"],
    ["a CA for http", ["backend.url=http://x.example", "backend.ca_file=/ca.pem"], "starts with https://"],
    ["a DNS server by name", ["backend.dns_servers=ns.example"], "an IP address"],
    ["a DNS server with a bad port", ["backend.dns_servers=10.0.0.1:99999"], "an IP address"],
    ["a health path without a slash", ["backend.health.path=healthz"], "a path such as"],
    ["a share above 100 %", ["backend.retry_budget_percent=120"], "from 0 to 100"],
  ])("%s", (_, settings, problem) => {
    expect(() => loadWith(...settings)).toThrow(problem);
  });
});

test.each(["10.0.0.10", "10.0.0.10:5353", "fd00::a", "[fd00::a]:53"])("the DNS server %s is accepted", (server) => {
  expect(loadWith(`backend.dns_servers=["${server}"]`)["backend.dns_servers"]).toEqual([server]);
});
