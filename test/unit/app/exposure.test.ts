import { expect, test } from "bun:test";
import { exposureOf } from "../../../src/app/exposure.ts";

const at = (host: string, grpc: "own-port" | "same-port" = "own-port", trusted_proxies: readonly string[] = []) =>
  exposureOf({ "edge.listen": { host, port: 8080 }, "edge.grpc": grpc, trusted_proxies });

test.each(["0.0.0.0", "::", "192.0.2.1", "gateway.example"])(
  "an edge of its own at %s, with nobody in front, is exposed",
  (host) => {
    expect(at(host)).toContain("edge.grpc = same-port");
    expect(at(host, "same-port")).toBeUndefined();
    expect(at(host, "own-port", ["10.0.0.0/8"])).toBeUndefined();
  },
);

test.each(["127.0.0.1", "127.8.0.1", "::1", "localhost"])("one at %s is not", (host) => {
  expect(at(host)).toBeUndefined();
});
