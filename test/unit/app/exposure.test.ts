import { expect, test } from "bun:test";
import { exposureOf } from "../../../src/app/exposure.ts";

interface Start {
  readonly grpc?: "own-port" | "same-port";
  readonly proxies?: readonly string[];
  readonly isBounded?: boolean;
}

const at = (host: string, { grpc = "own-port", proxies = [], isBounded = false }: Start = {}) =>
  exposureOf({ "edge.listen": { host, port: 8080 }, "edge.grpc": grpc, trusted_proxies: proxies }, isBounded);

test.each(["0.0.0.0", "::", "192.0.2.1", "gateway.example"])(
  "an edge of its own at %s, with nobody in front and no bounds, is exposed",
  (host) => {
    expect(at(host)).toContain("edge.grpc = same-port");
    expect(at(host, { grpc: "same-port" })).toBeUndefined();
    expect(at(host, { proxies: ["10.0.0.0/8"] })).toBeUndefined();
    expect(at(host, { isBounded: true })).toBeUndefined();
  },
);

test.each(["127.0.0.1", "127.8.0.1", "::1", "localhost"])("one at %s is not", (host) => {
  expect(at(host)).toBeUndefined();
});
