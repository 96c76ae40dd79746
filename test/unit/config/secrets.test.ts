import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { variableOf } from "../../../src/config/schema.ts";
import { loadSeeds } from "../../../src/config/seeds.ts";

/** A misplaced secret is a problem that never quotes the secret, because errors end up in logs and tickets. */

const URL_WITH_PASSWORD = "redis://:hunter2@redis.example:6379/0";
const SEED = Buffer.from("hunter2 hunter2 hunter2 hunter2 ").toString("base64");
const PEM = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
const SECRETS = ["hunter2", URL_WITH_PASSWORD, SEED, PEM];

function problemsWith(sources: Parameters<typeof loadConfig>[0]): readonly string[] {
  try {
    loadSeeds(loadConfig({ env: {}, ...sources }));
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const problemsOf = (path: string, text: string) => problemsWith({ argv: ["--config", path], readFile: () => text });

function expectHidden(problems: readonly string[]): void {
  expect(problems).not.toEqual([]);
  for (const secret of SECRETS) expect(problems.join("\n")).not.toContain(secret.trim());
  expect(problems.join("\n")).not.toMatch(/hunter2|BEGIN|aHVudGVy/);
}

describe.each(SECRETS)("secret %#", (secret) => {
  const quoted = JSON.stringify(secret);

  test.each([
    ["in place of a table", `[stores]\nredis = ${quoted}`],
    ["in a list in place of a table", `[stores]\nredis = [${quoted}]`],
    ["under an unknown key", `[stores.redis]\nurll = ${quoted}`],
    ["under an unknown table", `[redis.store.main]\nurl = ${quoted}`],
    ["in place of a choice", `[stores]\nkind = ${quoted}`],
    ["in place of a number", `[stores.redis]\ntimeout_ms = ${quoted}`],
    ["in place of a boolean", `[stores.redis]\ndurable = ${quoted}`],
    ["in place of an address", `[edge]\nlisten = ${quoted}`],
    ["in place of a list", `trusted_proxies = ${quoted}`],
    ["in a list", `trusted_proxies = [${quoted}]`],
    ["in a table in a list", `trusted_proxies = [{ a = ${quoted} }]`],
    ["in place of an origin", `[cors]\norigins = [${quoted}]`],
    ["in place of routes", `routes = ${quoted}`],
    ["in a route", `[[routes]]\nmessage_type = ${quoted}\nmethod = ${quoted}\npath = ${quoted}`],
    ["in an unknown field of a route", `[[routes]]\nbudget = { token = ${quoted} }`],
    ["in place of a seed", `[keys]\ncurrent = { seed = ${quoted} }`],
    ["in place of a seed file", `[keys]\ncurrent_file = ${quoted}`],
    ["in a list in place of a seed file", `[keys]\ncurrent_file = [${quoted}]`],
    ["in place of a URL", `[push]\nurl = ${quoted}`],
  ])("%s, in TOML", (_, text) => expectHidden(problemsOf("a.toml", text)));

  test("as a URL's user, password, query or fragment", () => {
    const encoded = encodeURIComponent(secret);
    for (const url of [`https://${encoded}@b.example`, `https://a:${encoded}@b.example`, `https://b.example/?t=${encoded}`])
      expectHidden(problemsOf("a.json", JSON.stringify({ backend: { url } })));
  });

  test("as a whole file", () => {
    expectHidden(problemsOf("a.json", quoted));
    expectHidden(problemsOf("a.yaml", quoted));
    expectHidden(problemsOf("a.json", `[${quoted}]`));
    expectHidden(problemsOf("a.yaml", `- ${quoted}\n- { a: ${quoted} }`));
  });

  test("as a key", () => {
    if (secret === "hunter2") return;
    expectHidden(problemsOf("a.json", JSON.stringify({ keys: { [secret]: 1 }, [secret]: {} })));
    expectHidden(problemsOf("a.yaml", `keys: { ${quoted}: 1, ${quoted}: 2 }`));
    expectHidden(problemsOf("a.toml", `[keys]\n${quoted} = 1\n${quoted} = 2`));
  });

  test("in a variable of another setting", () => {
    for (const key of ["stores.kind", "edge.listen", "routes", "log.level", "replay.entries_max", "keys.next_file"] as const)
      expectHidden(problemsWith({ env: { [variableOf(key)]: secret } }));
    expectHidden(problemsWith({ env: { SALLYPORT_REDIS_PASSWORD: secret } }));
    expectHidden(problemsWith({ env: { SALLYPORT_CONFIG: secret } }));
  });

  test.each([
    [["--set", "keys.current", "SECRET"]],
    [["--set", "SECRET"]],
    [["--set", "SECRET=1"]],
    [["--set=keys.curent=SECRET"]],
    [["--set", "stores.kind=SECRET"]],
    [["--set", "routes=[SECRET"]],
    [["SECRET"]],
    [["keys.current=SECRET"]],
    [["--keys.current", "SECRET"]],
    [["--keys.current=SECRET"]],
    [["--config", "SECRET"]],
    [["--SECRET"]],
    [["-SECRET"]],
  ])("on the command line: %j", (args) => {
    if (secret === "hunter2" && args[1] === "SECRET=1") return;
    expectHidden(problemsWith({ argv: args.map((arg) => arg.replace("SECRET", secret)) }));
  });
});

describe("a syntax error does not quote a secret without quotation marks", () => {
  test.each([
    ["a.toml", "[keys]\ncurrent = hunter2"],
    ["a.toml", "[keys]\ncurrent = [hunter2]"],
    ["a.toml", 'current = hunter2"hunter2'],
    ["a.toml", 'current = "hunter2'],
    ["a.toml", 'current = "\\hunter2"'],
    ["a.toml", "current = 1hunter2"],
    ["a.toml", "hunter2"],
    ["a.json", '{"keys": {"current": hunter2}}'],
    ["a.json", '{"keys": {"current": "hunter2}}'],
    ["a.json", '{"current": "\\hunter2"}'],
    ["a.json", "{'hunter2': 1}"],
    ["a.json", "hunter2"],
    ["a.yaml", "keys: {current: @hunter2}"],
    ["a.yaml", 'keys: {current: "hunter2}'],
    ["a.yaml", "keys: {current: *hunter2}"],
    ["a.yaml", "keys: {current: !hunter2 x}"],
    ["a.yaml", "%hunter2\n---\na: 1"],
    ["a.yaml", "keys: current: hunter2"],
    ["a.yaml", '"\\hunter2": 1'],
    ["a.yaml", "{hunter2: {hunter2}}: 1"],
  ])("%s: %s", (path, text) => expectHidden(problemsOf(path, text)));
});

test("the system's error about an unreadable file does not quote a secret in place of its path", () => {
  expectHidden(problemsWith({ argv: ["--set", "keys.current_file=hunter2"] }));
  expect(problemsWith({ argv: ["--set", "keys.current_file=/no/such/file"] })).toEqual([
    "keys.current_file (/no/such/file): cannot be read: ENOENT: no such file or directory; `sallyport keygen --out FILE` makes a key file",
  ]);
});

test("a key with terminal escapes is not shown", () => {
  const [problem] = problemsOf("a.json", '{"\\u202e\\u001b[2J": 1}');
  expect(problem).toBe("(a name that is not shown) (a.json:1): unknown key; `sallyport config print` lists all keys");
});
