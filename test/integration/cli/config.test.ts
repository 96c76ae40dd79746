import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { retryPolicy } from "../../../src/client/retry.ts";
import { configSchema } from "../../../src/config/config-schema.ts";
import { CONFIG_KEYS, SCHEMA, variableOf } from "../../../src/config/schema.ts";
import { selfSigned } from "../../support/certificates.ts";
import { Shell } from "../../support/cli/shell.ts";
import { SEED } from "../../support/serve-settings.ts";

/** `sallyport config`: what an operator learns before a start, and where each setting comes from. */

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
});
afterEach(() => shell.close());

const GOOD = `[backend]
url = "http://127.0.0.1:9000"
[push]
url = "http://127.0.0.1:9001"
[keys]
current_file = "current.key"
[[routes]]
message_type = "user.profile.get"
method = "GET"
path = "/api/v1/user/profile"
[[routes]]
message_type = "user.profile.update"
method = "PATCH"
path = "/api/v1/user/profile"
budget = { rate = 0.5, burst = 2 }
`;

function file(name: string, content: string, mode = 0o600): string {
  const path = join(shell.folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function goodFiles(): void {
  file("gateway.toml", GOOD);
  file("current.key", SEED);
}

describe("config check", () => {
  test("a valid configuration is ok", async () => {
    goodFiles();
    const { code, out, err } = await shell.run("sallyport config check --config gateway.toml");
    expect({ code, out, err }).toEqual({ code: 0, out: "ok       the configuration is valid; 4 settings are set\n", err: "" });
    expect(await shell.run("sallyport config check gateway.toml")).toEqual({ code, out, err });
  });

  test("every problem of all kinds is one line, and serve refuses the same configuration with the same texts", async () => {
    const { certificateFile } = await selfSigned("check.test");
    const other = await selfSigned("other.test");
    file("gateway.toml", `${GOOD}[edge]\nlistn = 1\n[log]\nlevel = "loud"\n[admin]\nlisten = "127.0.0.1:8081"\n`);
    file("current.key", "short");
    const flags = `--config gateway.toml --set tls.certificate_file=${certificateFile} --set tls.key_file=${other.keyFile}`;
    const check = await shell.run(`sallyport config check ${flags}`);
    expect(check.code).toBe(2);
    expect(check.out.replaceAll(/\/tmp\/\S+(?=\))/g, "…").split("\n")).toEqual([
      'error    edge.listn (gateway.toml:17): unknown key (did you mean "edge.listen"?)',
      "error    log.level (gateway.toml:19): got a text that is not shown, expected one of debug, info, warn, error",
      "error    grpc.listen and admin.listen both listen on port 8081, expected different ports (grpc.listen: default; admin.listen: gateway.toml:21)",
      "error    keys.current_file (current.key): holds 3 bytes, expected base64 of the seed's 32 bytes; `sallyport keygen` makes one",
      "error    tls.certificate_file (…) and tls.key_file (…) cannot be used together: the key does not belong to the first certificate",
      "",
    ]);
    const serve = await shell.run(`sallyport serve ${flags}`);
    expect(serve.code).toBe(2);
    const texts = check.out.split("\n").map((line) => line.slice("error    ".length));
    for (const text of texts.slice(0, 3)) expect(serve.err).toContain(text);
  });

  test("secret files that others can read are warnings", async () => {
    goodFiles();
    file("current.key", SEED, 0o644);
    const { code, out } = await shell.run("sallyport config check --config gateway.toml");
    expect(code).toBe(0);
    expect(out).toStartWith(
      "warning  keys.current_file (current.key): mode 0644, accessible to everybody; run chmod 600 on it\n",
    );
  });

  test("a route that makes the calls of a bounded route without its bounds is a warning", async () => {
    goodFiles();
    const bounded = {
      message_type: "a.b",
      post: "/api/v1/user/{x}",
      body: "*",
      budget: { rate: 1, burst: 1 },
      payload_bytes_max: 100,
    };
    const twin = { message_type: "a.c", post: "/api/v1/user/{y}", body: "*" };
    const check = (routes: readonly object[]) =>
      shell.run("sallyport config check --config gateway.toml", { env: { SALLYPORT_ROUTES: JSON.stringify(routes) } });
    const { code, out } = await check([bounded, { ...twin, post: "/api/v1/user/{x}" }]);
    expect(code).toBe(0);
    expect(out).toStartWith(
      "warning  routes[1] (variable SALLYPORT_ROUTES): a.c makes the same calls as a.b, but without its budget and payload_bytes_max; set the same in both, unless clients may avoid it\n",
    );
    for (const routes of [
      [bounded],
      [bounded, { ...bounded, message_type: "a.c" }],
      [bounded, { ...twin, post: "/api/v1/user/z/{y}" }],
    ])
      expect((await check(routes)).out).toStartWith("ok ");
  });

  test("a route that keeps answers for a shorter time than clients repeat a command is a warning", async () => {
    goodFiles();
    const check = (ms: number) => {
      const route = { message_type: "a.b", post: "/api/v1/user/x", body: "*", keep_answer_ms: ms };
      const env = { SALLYPORT_ROUTES: JSON.stringify([route]) };
      return shell.run("sallyport config check --config gateway.toml", { env });
    };
    const { code, out } = await check(59_999);
    expect(code).toBe(0);
    expect(out).toStartWith(
      "warning  routes[0] (variable SALLYPORT_ROUTES): a.b has keep_answer_ms 59999, but the client package repeats a command for up to 60000 ms, and a later repeat runs it again; set at least that, or keepAnswerMs of the clients\n",
    );
    expect((await check(retryPolicy(undefined, undefined).keepAnswerMs)).out).toStartWith("ok ");
  });

  test("a rotation within the next five minutes is a warning, because clients may not know the next key", async () => {
    goodFiles();
    file("next.key", Buffer.alloc(32, 7).toString("base64"), 0o600);
    const check = async (seconds: number) => {
      const rotateAt = new Date(Date.now() + seconds * 1000).toISOString();
      const flags = `--set keys.next_file=next.key --set keys.rotate_at=${rotateAt}`;
      return await shell.run(`sallyport config check --config gateway.toml ${flags}`);
    };
    const soon = await check(120);
    expect(soon.code).toBe(0);
    expect(soon.out).toMatch(
      /^warning {2}keys\.rotate_at \(flag --set\): is in (1[012]\d|\d\d) s, but clients may cache the public keys for 300 s; choose a later time, unless every gateway has the next key already\n/,
    );
    for (const seconds of [-120, 900]) expect((await check(seconds)).out).toStartWith("ok ");
  }, 60_000);

  test.each([
    ["sallyport config", "check|print|schema is missing"],
    ["sallyport config check a.toml --config b.toml", "the configuration file is given twice"],
    ["sallyport config chek", "the action must be check, print or schema"],
    ["sallyport config print --probe", "--probe is an option of sallyport config check"],
    ["sallyport config check --json", "--json is an option of sallyport config print"],
    ["sallyport config schema --set log.level=warn", "sallyport config schema takes no settings"],
    ["sallyport config check --prob", '--prob is not an option (did you mean "--probe"?)'],
  ])("%s is a usage error", async (line, text) => {
    expect(await shell.run(line)).toEqual({ code: 2, out: "", err: `sallyport: ${text}; see sallyport config --help\n` });
  });
});

describe("config print", () => {
  const ENV = { SALLYPORT_BACKEND_TOKEN: "token-hunter2", SALLYPORT_TRUSTED_PROXIES: "10.0.0.0/8, fd00::/8" };
  const PRINT = "sallyport config print --config gateway.toml --set log.level=warn --set edge.listen=[::1]:0";

  test("each setting has its value and its source, and no secret is printed", async () => {
    goodFiles();
    const { code, out, err } = await shell.run(PRINT, { env: ENV });
    expect([code, err]).toEqual([0, ""]);
    const lines = out.replaceAll(/ +# /g, " # ").split("\n");
    for (const line of [
      'edge.listen = "[::1]:0" # flag --set',
      'grpc.listen = "127.0.0.1:8081" # default',
      'trusted_proxies = ["10.0.0.0/8", "fd00::/8"] # variable SALLYPORT_TRUSTED_PROXIES',
      'backend.url = "http://127.0.0.1:9000" # gateway.toml:2',
      "# backend.token is set and secret # variable SALLYPORT_BACKEND_TOKEN",
      "# push.gateway_id is not set",
      "routes = [",
      '  { message_type = "user.profile.update", method = "PATCH", path = "/api/v1/user/profile", budget = { rate = 0.5, burst = 2 } }, # gateway.toml:11',
      "shutdown.drain_ms = 5000 # default",
    ]) {
      expect(lines).toContain(line);
    }
    expect(out).not.toContain("hunter2");
    const mentioned = CONFIG_KEYS.filter((key) => !lines.some((line) => line.replace("# ", "").startsWith(`${key} `)));
    expect(mentioned).toEqual([]);
  });

  test("the output is a configuration file with the same values", async () => {
    goodFiles();
    const first = await shell.run(PRINT);
    file("printed.toml", first.out);
    const second = await shell.run("sallyport config print --config printed.toml");
    const withoutSources = (text: string) => text.replaceAll(/ +# (default|flag|variable|gateway|printed).*$/gm, "");
    expect(second.err).toBe("");
    expect(withoutSources(second.out)).toBe(withoutSources(first.out));
  });

  test("--json has each setting by name", async () => {
    goodFiles();
    const { out } = await shell.run(`${PRINT} --json`, { env: ENV });
    const printed = JSON.parse(out);
    expect(Object.keys(printed)).toEqual([...CONFIG_KEYS]);
    expect(printed["log.level"]).toEqual({ value: "warn", source: "flag --set" });
    expect(printed["backend.token"]).toEqual({ value: null, source: "variable SALLYPORT_BACKEND_TOKEN", is_secret: true });
    expect(printed["push.gateway_id"]).toEqual({ value: null, source: "default" });
    expect(printed.routes.value).toHaveLength(2);
  });

  test("every secret setting is hidden, in both formats", async () => {
    const values = { seed: SEED, token: "hunter2", url: "redis://:hunter2@127.0.0.1:1/0" };
    const sampleOf = (key: string) => (key.startsWith("keys.") ? values.seed : key.endsWith("url") ? values.url : values.token);
    const secrets = CONFIG_KEYS.filter((key) => SCHEMA[key].secret);
    const env = Object.fromEntries(secrets.map((key) => [variableOf(key), sampleOf(key)]));
    for (const option of ["", "--json"]) {
      const { out } = await shell.run(`sallyport config print ${option}`, { env });
      for (const key of secrets) expect(out).toContain(key);
      expect(out).not.toContain("hunter2");
      expect(out).not.toContain(SEED);
    }
  });

  test("with a wrong value, the other settings are printed, and the problem goes to standard error", async () => {
    const { code, out, err } = await shell.run("sallyport config print --set log.level=loud --set log.format=pretty");
    expect(code).toBe(2);
    expect(out).toContain('log.format = "pretty"');
    expect(err).toBe(
      "sallyport: log.level (flag --set): got a text that is not shown, expected one of debug, info, warn, error\n",
    );
  });

  test("a reader that closes the pipe ends it quietly", async () => {
    const { err } = await shell.run("sallyport config print | true; sallyport config schema | head -c 1 > /dev/null");
    expect(err).toBe("");
  });
});

test("config schema prints the schema of the settings", async () => {
  const { code, out, err } = await shell.run("sallyport config schema");
  expect([code, err]).toEqual([0, ""]);
  expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(configSchema())));
});
