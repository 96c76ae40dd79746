import { expect, test } from "bun:test";
import { resolveConfig } from "../../../src/config/load.ts";
import { originOf } from "../../../src/config/source.ts";

/** A problem names the line of the wrong value, so that nobody searches a long file for it. */

const problemsOf = (path: string, text: string) =>
  resolveConfig({ env: {}, argv: ["--config", path], readFile: () => text }).problems;

/** Returns what stands before the text of each problem: the key and its place. */
const placesOf = (path: string, text: string) => problemsOf(path, text).map((problem) => problem.split("): ")[0]);

const ROUTES = ["routes[1].budget.rate", "routes[1].path", "routes[1].retires"];

test("TOML: in tables, arrays of tables, inline tables, dotted keys and lists of several lines", () => {
  const text = `log.level = "loud"
# a comment

trusted_proxies = [
  "10.0.0.0/8", # "10.0.0.0/33",
  "10.0.0.0/33",
]
[[routes]]
message_type = "a.b"
method = "GET"
path = "/api/v1/user/x"
[[routes]]
message_type = "a.c"
method = "GET"
path = """
[edge]
/other"""
retires = 3
budget = { burst = 1, rate = 0 }
[push]
backoff_min_ms = 1.5
[edge]
"listen" = 8080`;
  const places = placesOf("a.toml", text).toSorted();
  const [budget, path, unknown] = ROUTES;
  expect(places).toEqual([
    "edge.listen (a.toml:23",
    "log.level (a.toml:1",
    "push.backoff_min_ms (a.toml:21",
    `${budget} (a.toml:19`,
    `${path} (a.toml:15`,
    `${unknown} (a.toml:18`,
    "trusted_proxies[1] (a.toml:6",
  ]);
});

test("YAML: in maps, lists, flow style and merged maps", () => {
  const text = `log:
  level: loud
trusted_proxies:
  - 10.0.0.0/8
  - 10.0.0.0/33
routes:
  - { message_type: a.b, method: GET, path: /api/v1/user/x }
  - message_type: a.c
    method: GET
    path: /other
    retires: 3
    budget: { burst: 1,
      rate: 0 }
budgets:
  ip: &b
    rate: -1
  user:
    <<: *b`;
  const [budget, path, unknown] = ROUTES;
  expect(placesOf("a.yaml", text).toSorted()).toEqual([
    "budgets.ip.rate (a.yaml:16",
    "budgets.user.rate (a.yaml:18",
    "log.level (a.yaml:2",
    `${budget} (a.yaml:13`,
    `${path} (a.yaml:10`,
    `${unknown} (a.yaml:11`,
    "trusted_proxies[1] (a.yaml:5",
  ]);
});

test("JSON: nested and dotted", () => {
  const text = '{\n"log.level": "loud",\n"edge":\n{ "listen": 1,\n"lisen": 2 }\n}';
  expect(placesOf("a.json", text).toSorted()).toEqual(["edge.lisen (a.json:5", "edge.listen (a.json:4", "log.level (a.json:2"]);
});

test("a missing field of a route is reported at the route", () => {
  const text = '[[routes]]\nmessage_type = "a.b"\nmethod = "GET"\npath = "/api/v1/user/x"\n\n[[routes]]\nmethod = "GET"';
  expect(placesOf("a.toml", text)).toEqual(["routes[1].message_type (a.toml:6", "routes[1].path (a.toml:6"]);
});

test("a violated rule names where each of its settings is set", () => {
  const { problems } = resolveConfig({
    env: { SALLYPORT_ADMIN_LISTEN: "127.0.0.1:9000" },
    argv: ["--config", "a.toml", "--set", "push.backoff_min_ms=9000"],
    readFile: () => '[edge]\nlisten = "127.0.0.1:9000"',
  });
  expect(problems).toEqual([
    "push.backoff_max_ms is 5000, expected at least push.backoff_min_ms (9000) (push.backoff_max_ms: default; push.backoff_min_ms: flag --set)",
    "edge.listen and admin.listen both listen on port 9000, expected different ports (edge.listen: a.toml:2; admin.listen: variable SALLYPORT_ADMIN_LISTEN)",
  ]);
});

test("the origin of a setting is the last source that sets it", () => {
  const { settings } = resolveConfig({
    env: { SALLYPORT_LOG_LEVEL: "warn" },
    argv: ["--config", "a.toml", "--set", "log.format=pretty"],
    readFile: () => '[log]\nlevel = "error"\n[cors]\n\nmax_age_seconds = 1',
  });
  expect([...settings].map(([key, setting]) => [key, originOf(setting)]).toSorted()).toEqual([
    ["cors.max_age_seconds", "a.toml:5"],
    ["log.format", "flag --set"],
    ["log.level", "variable SALLYPORT_LOG_LEVEL"],
  ]);
});

test("TOML: unknown arrays of tables have the line of their first item", () => {
  const text = '[edge]\nlisten = "127.0.0.1:0"\n[[route]]\nget = "/x"\n[[route]]\nget = "/y"\n[[backend.routes]]\nx = 1\n';
  expect(placesOf("a.toml", text).toSorted()).toEqual(["backend.routes (a.toml:7", "route (a.toml:3"]);
});
