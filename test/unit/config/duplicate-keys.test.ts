import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

/** Duplicate keys in one file are refused. Otherwise one of two values has no effect, and a gateway may start without TLS. */

function problemsOf(path: string, text: string): readonly string[] {
  return problemsWith({ argv: ["--config", path], readFile: () => text });
}

function problemsWith(sources: Parameters<typeof loadConfig>[0]): readonly string[] {
  try {
    loadConfig({ env: {}, ...sources });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

interface Case {
  readonly what: string;
  readonly file: string;
  readonly text: string;
  readonly expected: string;
}

const CASES: readonly Case[] = [
  {
    what: "a table",
    file: "a.yaml",
    text: "log:\n  level: warn\nedge:\nlog:\n  format: json",
    expected: "log (a.yaml:4): given twice, expected once",
  },
  {
    what: "a key",
    file: "a.yml",
    text: "log:\n  level: warn\n  level: info",
    expected: "log.level (a.yml:3): given twice, expected once",
  },
  {
    what: "a key, once in quotation marks",
    file: "a.yaml",
    text: 'log: {level: warn, "level": info}',
    expected: "log.level (a.yaml:1): given twice, expected once",
  },
  {
    what: "a key, once escaped",
    file: "a.yaml",
    text: '"lo\\x67": {level: warn}\nlog: {level: info}',
    expected: "log (a.yaml:2): given twice, expected once",
  },
  {
    what: "a key with a tag",
    file: "a.yaml",
    text: "!!str log: {level: warn}\nlog: {level: info}",
    expected: "log (a.yaml:2): given twice, expected once",
  },
  {
    what: "an explicit key",
    file: "a.yaml",
    text: "? log\n: {level: warn}\nlog: {level: info}",
    expected: "log (a.yaml:3): given twice, expected once",
  },
  {
    what: "a key that an alias stands for",
    file: "a.yaml",
    text: "log: {level: warn}\npush: {gateway_id: &a log}\n*a : {level: info}",
    expected: "log (a.yaml:3): given twice, expected once",
  },
  {
    what: "a key that a merge brings in",
    file: "a.yaml",
    text: "budgets:\n  ip: &b {rate: 1, burst: 2}\n  user:\n    <<: *b\n    burst: 3",
    expected: "budgets.user.burst (a.yaml:5): given twice, expected once",
  },
  {
    what: "a key that two merges bring in",
    file: "a.yaml",
    text: "budgets:\n  ip: &a {rate: 1}\n  user: &b {rate: 2}\n  session: {<<: [*a, *b]}",
    expected: "budgets.session.rate (a.yaml:4): given twice, expected once",
  },
  {
    what: "a field of a route",
    file: "a.yaml",
    text: "routes:\n  - {message_type: a.b, method: GET, method: GET, path: /api/v1/user/x}",
    expected: "routes[0].method (a.yaml:2): given twice, expected once",
  },
  {
    what: "dotted and nested",
    file: "a.yaml",
    text: "log.level: warn\nlog: {level: info}",
    expected: "log.level (a.yaml:2): given twice, expected once",
  },
  {
    what: "a key, once escaped",
    file: "a.json",
    text: '{\n"tls": {},\n"tl\\u0073": {}}',
    expected: "tls (a.json:3): given twice, expected once",
  },
  {
    what: "a nested key",
    file: "a.json",
    text: '{"log": {"level": "warn",\n "level": "warn"}}',
    expected: "log.level (a.json:2): given twice, expected once",
  },
  {
    what: "a field of a route's budget",
    file: "a.json",
    text: '{"routes": [{"message_type": "a.b", "method": "GET", "path": "/api/v1/user/x", "budget": {"rate": 1, "burst": 1, "rate": 2}}]}',
    expected: "routes[0].budget.rate (a.json:1): given twice, expected once",
  },
  {
    what: "dotted and nested",
    file: "a.json",
    text: '{"log.level": "warn", "log": {"level": "info"}}',
    expected: "log.level (a.json:1): given twice, expected once",
  },
  {
    what: "dotted in quotation marks and nested",
    file: "a.toml",
    text: '"log.level" = "warn"\n[log]\nlevel = "info"',
    expected: "log.level (a.toml:3): given twice, expected once",
  },
  {
    what: "half dotted in quotation marks",
    file: "a.toml",
    text: 'budgets = { "ip.rate" = 1, ip = { rate = 2 } }',
    expected: "budgets.ip.rate (a.toml:1): given twice, expected once",
  },
  { what: "a table", file: "a.toml", text: "[log]\n[log]", expected: "a.toml: log is given twice, expected once" },
  {
    what: "a key, once in quotation marks",
    file: "a.toml",
    text: '[log]\nlevel = "warn"\n"l\\u0065vel" = "info"',
    expected: "a.toml: level is given twice, expected once",
  },
  {
    what: "dotted and as a table",
    file: "a.toml",
    text: "log.level = 'warn'\n[log]\nlevel = 'info'",
    expected: "a.toml: log is",
  },
  {
    what: "in an inline table",
    file: "a.toml",
    text: "log = { level = 'warn', level = 'info' }",
    expected: "a.toml: level is",
  },
  {
    what: "a field of a route",
    file: "a.toml",
    text: "[[routes]]\nmethod = 'GET'\nmethod = 'GET'",
    expected: "a.toml: method is",
  },
];

describe("a duplicate setting in one file is refused", () => {
  test.each(CASES)("$file: $what", ({ file, text, expected }) => {
    expect(problemsOf(file, text)[0]).toStartWith(expected);
  });

  test("also in the JSON of a variable or a flag", () => {
    const routes = '[{"message_type":"a.b","message_type":"c.d","method":"GET","path":"/api/v1/user/x"}]';
    expect(problemsWith({ env: { SALLYPORT_ROUTES: routes } })).toEqual([
      "routes (variable SALLYPORT_ROUTES): 0.message_type is given twice, expected once",
    ]);
    expect(problemsWith({ argv: ["--set", `routes=${routes}`] })).toEqual([
      "routes (flag --set): 0.message_type is given twice, expected once",
    ]);
  });

  test("a second --config flag is refused", () => {
    expect(problemsWith({ argv: ["--config", "a.toml", "--config=b.toml"], readFile: () => "" })).toEqual([
      "--config: given twice, expected once",
    ]);
  });

  test("tables of the same name in different places are accepted, and so is a merge that adds keys", () => {
    expect(problemsOf("a.yaml", "budgets:\n  ip: &b {rate: 1}\n  user: {<<: *b, burst: 3}\n  session: *b")).toEqual([]);
    expect(problemsOf("a.json", '{"budgets.ip.rate": 1, "budgets": {"ip.burst": 2, "user": {"rate": 1}}}')).toEqual([]);
  });
});

describe("a YAML file with unsupported or excessive structure is refused", () => {
  test.each([
    ["two documents", "log: {level: warn}\n---\nlog: {level: info}", "a.yaml:2:1: not YAML: multiple docs"],
    ["a table that holds itself", "log: &a {level: *a}", "log.level (a.yaml): got a table"],
    ["tables that hold themselves", "edge: &a {edge: *a}", "edge.edge.edge.edge (a.yaml): unknown key"],
    ["an alias without its anchor", "log: {level: *hunter2}", "a.yaml: not YAML: an alias that cannot be resolved"],
    ["a key that is a list", "? [hunter2]\n: 1", "a.yaml:1:3: a key is not a text"],
    ["a tag of its own", "log: {level: !hunter2 warn}", "a.yaml:1:14: not YAML: tag resolve failed"],
    ["merges of merges of merges", merges(20), "a.yaml: more than 1000 merges"],
  ])("%s", (_, text, expected) => {
    const [problem = ""] = problemsOf("a.yaml", text);
    expect(expected).toStartWith(expected);
    expect(problem).not.toContain("hunter2");
  });
});

/** Each table merges the previous table twice. */
function merges(count: number): string {
  const lines = Array.from({ length: count }, (_, at) => `t${at + 1}: &t${at + 1} {<<: [*t${at}, *t${at}]}`);
  return ["t0: &t0 {x: 1}", ...lines].join("\n");
}
