import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConfigSources, loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

const load = (sources: ConfigSources) => loadConfig({ env: {}, ...sources });

const withFile = (path: string, text: string, sources: ConfigSources = {}) =>
  load({ argv: ["--config", path], readFile: () => text, ...sources });

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("sources", () => {
  test("without any configuration, the documented defaults apply, on loopback", () => {
    const config = load({});
    expect(config["edge.listen"]).toEqual({ host: "127.0.0.1", port: 8080 });
    expect(config["backend.url"]).toBeUndefined();
    expect(config["push.protocol"]).toBe("grpc");
    expect(config["limits.payload_bytes_max"]).toBe(262_144);
    expect(config["budgets.send_code.rate"]).toBeCloseTo(1 / 60);
    expect(config["keys.current"]).toBeUndefined();
    expect(config.trusted_proxies).toEqual([]);
    expect(config.routes).toEqual([]);
  });

  test("each source overrides the one before: overrides, file, variable, flag", () => {
    const overrides = { "backend.timeout_ms": 1, "push.grace_ms": 1, "log.level": "debug", "log.format": "pretty" } as const;
    const file = "[backend]\ntimeout_ms = 2\n[push]\ngrace_ms = 2\n[log]\nlevel = 'warn'";
    const config = withFile("a.toml", file, {
      argv: ["--config", "a.toml", "--set", "backend.timeout_ms=4"],
      env: { SALLYPORT_BACKEND_TIMEOUT_MS: "3", SALLYPORT_PUSH_GRACE_MS: "3" },
      overrides,
    });
    expect(config["backend.timeout_ms"]).toBe(4);
    expect(config["push.grace_ms"]).toBe(3);
    expect(config["log.level"]).toBe("warn");
    expect(config["log.format"]).toBe("pretty");
  });

  test("TOML, YAML and JSON files with the same content load equally", () => {
    const toml = withFile(
      "a.toml",
      `trusted_proxies = ["10.0.0.0/8"]\n[edge]\nlisten = "[::1]:0"\n[budgets.ip]\nrate = 0.5\n
       [[routes]]\nmessage_type = "a.b"\nmethod = "GET"\npath = "/api/v1/user/{x}"\nbudget = { rate = 1, burst = 2 }`,
    );
    const yaml = withFile(
      "a.yml",
      `trusted_proxies: [10.0.0.0/8]\nedge:\n  listen: "[::1]:0"\nadmin:\nbudgets: { ip: { rate: 0.5 } }
routes:\n  - { message_type: a.b, method: GET, path: "/api/v1/user/{x}", budget: { rate: 1, burst: 2 } }`,
    );
    const json = withFile(
      "a.json",
      JSON.stringify({
        trusted_proxies: ["10.0.0.0/8"],
        "edge.listen": "[::1]:0",
        budgets: { ip: { rate: 0.5 } },
        routes: [{ message_type: "a.b", method: "GET", path: "/api/v1/user/{x}", budget: { rate: 1, burst: 2 } }],
      }),
    );
    expect(toml["edge.listen"]).toEqual({ host: "::1", port: 0 });
    expect(toml.routes).toEqual([
      { message_type: "a.b", method: "GET", path: "/api/v1/user/{x}", budget: { rate: 1, burst: 2 } },
    ]);
    expect(yaml).toEqual(toml);
    expect(json).toEqual(toml);
  });

  test("SALLYPORT_CONFIG selects the file, and --config overrides it", () => {
    const readFile = (path: string) => `[log]\nlevel = "${path === "env.toml" ? "warn" : "error"}"`;
    const env = { SALLYPORT_CONFIG: "env.toml" };
    expect(load({ env, readFile })["log.level"]).toBe("warn");
    expect(load({ env, readFile, argv: ["--config=flag.toml"] })["log.level"]).toBe("error");
  });

  test("variables and flags hold lists and routes as text", () => {
    const config = load({
      env: { SALLYPORT_TRUSTED_PROXIES: "10.0.0.0/8, fd00::1" },
      argv: ["--set", 'routes=[{"message_type":"a.b","method":"POST","path":"/api/v1/user/x","timeout_ms":50}]'],
    });
    expect(config.trusted_proxies).toEqual(["10.0.0.0/8", "fd00::1"]);
    expect(config.routes).toEqual([{ message_type: "a.b", method: "POST", path: "/api/v1/user/x", timeout_ms: 50 }]);
    expect(load({ env: { SALLYPORT_TRUSTED_PROXIES: '["::/0"]' } }).trusted_proxies).toEqual(["::/0"]);
  });

  test("an empty variable unsets an optional setting", () => {
    const env = { SALLYPORT_BACKEND_TOKEN: "" };
    expect(withFile("a.toml", "[backend]\ntoken = 'x'", { env })["backend.token"]).toBeUndefined();
  });

  test("the trailing slash of a backend URL is removed, so that paths can be appended", () => {
    expect(load({ env: { SALLYPORT_BACKEND_URL: "https://b.example/api/" } })["backend.url"]).toBe("https://b.example/api");
  });
});

describe("problems", () => {
  test("all problems of all sources are reported together, each with its key, its source and the expected value", () => {
    const problems = problemsOf(() =>
      withFile("gw.toml", "[log]\nlevel = 'loud'\n[edge]\nlisten = 8080", {
        argv: ["--config", "gw.toml", "--set", "push.protocol=amqp"],
        env: { SALLYPORT_LIMITS_PAYLOAD_BYTES_MAX: "1MB" },
      }),
    );
    expect(problems).toEqual([
      "log.level (gw.toml:2): got a text that is not shown, expected one of debug, info, warn, error",
      'edge.listen (gw.toml:4): got 8080, expected "host:port" (write an IPv6 host in brackets; port 0 lets the system choose a port); write "127.0.0.1:8080", or "0.0.0.0:8080" for all addresses of this machine',
      'limits.payload_bytes_max (variable SALLYPORT_LIMITS_PAYLOAD_BYTES_MAX): got "1MB", expected an integer from 1024 to 16777216 (bytes); write 1048576, without unit and quotation marks',
      "push.protocol (flag --set): got a text that is not shown, expected one of grpc, connect, grpc-web",
    ]);
  });

  test("a number is advised only if the setting accepts it", () => {
    const problem = (setting: string) => problemsOf(() => load({ argv: ["--set", setting] }))[0] ?? "";
    expect(problem("workers.count=1.5")).toEndWith("expected auto or an integer from 1 to 64 (processes)");
    expect(problem("workers.count=2x")).toEndWith("; write the number without unit and quotation marks");
    expect(problem("workers.count=2.5x")).toEndWith("(processes)");
    expect(problem("streams.heartbeat_ms=25m")).toEndWith("expected an integer from 1000 to 600000 (ms)");
    expect(problem("streams.heartbeat_ms=1.5s")).toEndWith("; write 1500, without unit and quotation marks");
  });

  test("an address with a port above 65535 is a problem that says so", () => {
    const expected = '"host:port" (write an IPv6 host in brackets; port 0 lets the system choose a port)';
    for (const address of ["0.0.0.0:80800", "[::1]:65536", ":70000", "70000", "localhost:100000"]) {
      expect(problemsOf(() => load({ argv: ["--set", `edge.listen=${address}`] }))).toEqual([
        `edge.listen (flag --set): got a text that is not shown, expected ${expected}; the port is above 65535`,
      ]);
    }
    expect(problemsOf(() => load({ argv: ["--set", "edge.listen=0.0.0.0"] }))[0]).toEndWith(
      `${expected}; add a colon and the port`,
    );
    expect(load({ argv: ["--set", "edge.listen=0.0.0.0:65535"] })["edge.listen"].port).toBe(65_535);
  });

  test("a misspelt key, variable or flag is a problem with a suggestion", () => {
    expect(problemsOf(() => withFile("a.toml", "[edge]\nlisen = 'x'\n[bakend]\nurl = 'x'"))).toEqual([
      'edge.lisen (a.toml:2): unknown key (did you mean "edge.listen"?)',
      'bakend.url (a.toml:4): unknown key (did you mean "backend.url"?)',
    ]);
    expect(problemsOf(() => load({ env: { SALLYPORT_LOG_LEVL: "info" } }))).toEqual([
      'SALLYPORT_LOG_LEVL: unknown variable (did you mean "SALLYPORT_LOG_LEVEL"?)',
    ]);
    expect(problemsOf(() => load({ argv: ["--confg", "--edge.listen=x", "-x", "--set", "edge.listn=1", "stray"] }))).toEqual([
      '--confg: unknown flag (did you mean "--config"?)',
      '--edge.listen: expected "--set edge.listen=…"',
      "-x: unknown flag",
      'edge.listn (flag --set): unknown key (did you mean "edge.listen"?)',
      "argument 6 after the command: unexpected; it is not shown, because it may be a secret",
    ]);
    expect(problemsOf(() => load({ argv: ["--set"] }))).toEqual(["--set: expected key=value after it"]);
    expect(problemsOf(() => load({ argv: ["--config"] }))).toEqual(["--config: expected a file after it"]);
  });

  test("service variables of Kubernetes are ignored, and similar ones are refused", () => {
    const env = {
      SALLYPORT_SERVICE_HOST: "10.0.0.1",
      SALLYPORT_SERVICE_PORT_HTTP: "8080",
      SALLYPORT_PORT: "tcp://10.0.0.1:8080",
      SALLYPORT_PORT_8080_TCP: "tcp://10.0.0.1:8080",
      SALLYPORT_PORT_8080_TCP_ADDR: "10.0.0.1",
      SALLYPORT_ADMIN_SERVICE_PORT: "8082",
      PATH: "/bin",
    };
    expect(problemsOf(() => load({ env }))).toEqual([]);
    expect(problemsOf(() => load({ env: { SALLYPORT_PORT: "8080" } }))).toHaveLength(1);
  });

  test("no problem quotes a secret, wherever it is misplaced", () => {
    const secret = "hunter2-hunter2";
    const problems = problemsOf(() =>
      withFile("a.toml", `[keys]\ncurrent = "${secret}"\nnxt = "${secret}"\nprevious = ["${secret}"]`, {
        argv: ["--config", "a.toml", "--set", `keys.nex=${secret}`, `keys.next=${secret}`, `--key=${secret}`],
        env: {
          SALLYPORT_KEYS_NEXT: secret,
          SALLYPORT_KEY: secret,
          SALLYPORT_BACKEND_TOKEN: `${secret}\n`,
          SALLYPORT_BACKEND_URL: `http://user:${secret}@b.example/`,
          SALLYPORT_PUSH_URL: `http://b.example/?token=${secret}`,
        },
      }),
    );
    expect(problems).toHaveLength(11);
    expect(problems.join("\n")).not.toContain("hunter2");
    expect(problems).toContain(
      "keys.current (a.toml:2): got a value that is not shown, expected base64 of the 32 bytes of a seed, as `sallyport keygen` prints it; the path of a file belongs in keys.current_file",
    );
  });

  test("a syntax error does not quote a secret without quotation marks", () => {
    const problems = problemsOf(() => withFile("a.toml", "[keys]\ncurrent = hunter2"));
    expect(problems).toEqual(['a.toml: not TOML: Strings must be quoted; write texts in "…"; booleans are true and false']);
    expect(problemsOf(() => withFile("a.json", '{"keys": {"current": hunter2}}')).join()).not.toContain("hunter2");
  });

  test("violated rules are reported together with invalid values, except rules about keys with invalid values", () => {
    const env = { SALLYPORT_LIMITS_PAYLOAD_BYTES_MAX: "2000000", SALLYPORT_PUSH_BACKOFF_MAX_MS: "x" };
    const problems = problemsOf(() => load({ env, argv: ["--set", "push.backoff_min_ms=9000"] }));
    expect(problems).toHaveLength(2);
    expect(problems[1]).toContain("limits.request_bytes_max is 524288, expected at least 2670763");
  });

  test("a file that is unreadable, has an unknown suffix or holds no table is one problem", () => {
    const gone = () => {
      throw new Error("ENOENT: no such file or directory");
    };
    expect(problemsOf(() => load({ argv: ["--config", "x.toml"], readFile: gone }))).toEqual([
      `${process.cwd()}/x.toml: cannot be read: ENOENT: no such file or directory`,
    ]);
    expect(problemsOf(() => withFile("x.ini", ""))).toEqual(["x.ini: expected a name that ends in .toml, .yaml, .yml, .json"]);
    expect(problemsOf(() => withFile("x.yaml", "- a"))).toEqual(["x.yaml: got a list, expected a table of settings"]);
    expect(problemsOf(() => withFile("x.yaml", "edge: 5"))).toEqual(["edge (x.yaml:1): got 5, expected a table"]);
    expect(problemsOf(() => withFile("x.json", '{"__proto__":{"a":1}}'))).toEqual([
      "__proto__.a (x.json:1): unknown key; `sallyport config print` lists all keys",
    ]);
    expect(problemsOf(() => withFile("x.yaml", ""))).toEqual([]);
  });

  test("a syntax error is reported with line and column", () => {
    const directory = mkdtempSync(join(tmpdir(), "sallyport-"));
    try {
      const path = join(directory, "gw.toml");
      writeFileSync(path, "a = 1\n[b]\nc = = 2\n");
      expect(problemsOf(() => load({ argv: ["--config", path] }))).toEqual([
        `${path}:3:5: not TOML: Expected a value but found '='`,
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
