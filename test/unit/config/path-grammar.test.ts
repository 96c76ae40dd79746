import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { routePrefixes } from "../../../src/openapi/route-prefixes.ts";

/** A segment or a name that one setting accepts is accepted by the others: an operator learns one grammar. */

function isAccepted(toml: string): boolean {
  try {
    loadConfig({ env: {}, argv: ["--config", "gw.toml"], readFile: () => toml });
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

const PLACES: Readonly<Record<string, (segment: string) => boolean>> = {
  "the path of a route": (segment) =>
    isAccepted(`backend.route_prefixes = ["/"]\n[[routes]]\nmessage_type = "a.b"\nget = "/v1/${segment}/x"`),
  "a pattern in the path of a route": (segment) =>
    isAccepted(`backend.route_prefixes = ["/"]\n[[routes]]\nmessage_type = "a.b"\nget = "/v1/{name=${segment}/*}"`),
  "the path of a public route": (segment) =>
    isAccepted(`[[public_routes]]\nmethod = "GET"\npath = "/v1/${segment}/x"\nbackend_path = "/x"`),
  "the backend path of a public route": (segment) =>
    isAccepted(`[[public_routes]]\nmethod = "GET"\npath = "/x"\nbackend_path = "/v1/${segment}/x"`),
  "the path of the session look-up": (segment) => isAccepted(`backend.session_path = "/${segment}/{device_session_id}"`),
  "a route prefix": (segment) => isAccepted(`backend.route_prefixes = ["/${segment}/"]`),
  "a route prefix that the import of an OpenAPI document writes": (segment) =>
    segment === "" || routePrefixes([`/v1/${segment}/x`])[0] === `/v1/${segment}/`,
};

describe("a plain segment", () => {
  const plain = [
    "a",
    "A-Z_0.9~",
    "a+b",
    "a:b",
    "a;b=c,d",
    "$batch",
    "it's",
    "f('x')",
    "me@home",
    "!&",
    "...",
    "..a",
    "a..",
    "..x",
  ];
  const others = [
    ".",
    "..",
    ".;x",
    "..;x",
    ":id",
    "%61",
    "%2e%2e",
    "a%2Fb",
    "a b",
    "a*",
    "a\\\\b",
    "ä",
    "a#b",
    "a?b",
    "a|b",
    "{id",
  ];
  for (const [place, accepts] of Object.entries(PLACES)) {
    test(place, () => {
      expect(plain.filter((segment) => !accepts(segment))).toEqual([]);
      expect(others.filter(accepts)).toEqual([]);
    });
  }
});

test("a variable of a public route's path can be its identity", () => {
  const withName = (name: string) =>
    isAccepted(
      `[[public_routes]]\nmethod = "GET"\npath = "/v1/{${name}}"\nidentity = { field = "${name}", kind = "opaque", budget = "send_code" }`,
    );
  for (const name of ["a", "_a1", "x".repeat(50), "x".repeat(64)]) expect([name, withName(name)]).toEqual([name, true]);
  for (const name of ["1a", "a-b", "a.b", "x".repeat(65)]) expect([name, withName(name)]).toEqual([name, false]);
});
