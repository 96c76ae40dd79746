import { describe, expect, test } from "bun:test";
import { ForeignPageError } from "../../../../src/core/page-guard.ts";
import { OwnPageGuard } from "../../../../src/dev/playground/own-page-guard.ts";

const guard = new OwnPageGuard();

function check(headers: Record<string, string>, address = "127.0.0.1"): void {
  const request = new Request("http://edge/", { headers });
  guard.check({ request, peer: { address, network: address } });
}

describe("the guard of the playground's dev calls", () => {
  test.each([
    ["a program on this machine", { host: "127.0.0.1:8080" }, "127.0.0.1"],
    ["a program over IPv6", { host: "[::1]:8080" }, "::1"],
    [
      "the page itself",
      { host: "localhost:8080", origin: "http://localhost:8080", "sec-fetch-site": "same-origin" },
      "127.0.0.1",
    ],
    ["the page behind TLS", { host: "localhost", origin: "https://localhost", "sec-fetch-site": "same-origin" }, "127.8.8.8"],
    ["a URL that the user entered", { host: "127.0.0.1:8080", "sec-fetch-site": "none" }, "127.0.0.1"],
  ])("serves %s", (_who, headers, address) => {
    expect(() => check(headers, address)).not.toThrow();
  });

  test.each([
    ["another machine", { host: "127.0.0.1:8080" }, "192.168.1.7"],
    ["another machine over IPv6", { host: "[::1]:8080" }, "fd00::7"],
    ["a request without a Host", {}, "127.0.0.1"],
    ["an empty Host", { host: "" }, "127.0.0.1"],
    ["a name that points here by DNS rebinding", { host: "rebound.example:8080" }, "127.0.0.1"],
    ["a page of another port", { host: "127.0.0.1:8080", origin: "http://127.0.0.1:9999" }, "127.0.0.1"],
    ["a page of another site without Origin", { host: "127.0.0.1:8080", "sec-fetch-site": "cross-site" }, "127.0.0.1"],
    ["a proxy with X-Forwarded-For", { host: "127.0.0.1:8080", "x-forwarded-for": "127.0.0.1" }, "127.0.0.1"],
    ["a proxy with X-Real-IP", { host: "127.0.0.1:8080", "x-real-ip": "203.0.113.9" }, "127.0.0.1"],
    ["a proxy with X-Forwarded-Host", { host: "127.0.0.1:8080", "x-forwarded-host": "public.example" }, "127.0.0.1"],
  ])("refuses %s", (_who, headers: Record<string, string>, address) => {
    expect(() => check(headers, address)).toThrow(ForeignPageError);
  });
});
