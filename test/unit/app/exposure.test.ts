import { expect, test } from "bun:test";
import { isUnlimitedEdge } from "../../../src/app/exposure.ts";

interface Start {
  readonly grpc?: "own-port" | "same-port";
  readonly proxies?: readonly string[];
  readonly isSwept?: boolean;
}

const at = (host: string, { grpc = "own-port", proxies = [], isSwept = false }: Start = {}) =>
  isUnlimitedEdge({ "edge.listen": { host, port: 8080 }, "edge.grpc": grpc, trusted_proxies: proxies }, isSwept);

test.each(["0.0.0.0", "::", "192.0.2.1", "gateway.example"])(
  "an edge at %s is unlimited without a proxy, the connection sweep or the mux listener",
  (host) => {
    expect(at(host)).toBe(true);
    expect(at(host, { grpc: "same-port" })).toBe(false);
    expect(at(host, { proxies: ["10.0.0.0/8"] })).toBe(false);
    expect(at(host, { isSwept: true })).toBe(false);
  },
);

test.each(["127.0.0.1", "127.8.0.1", "::1", "localhost"])("an edge at %s is not reachable from other machines", (host) => {
  expect(at(host)).toBe(false);
});
