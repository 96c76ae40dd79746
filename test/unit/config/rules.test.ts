import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { requireBackend, SERVE_RULES } from "../../../src/config/rules.ts";

const loadWith = (...settings: string[]) => loadConfig({ env: {}, argv: settings.flatMap((setting) => ["--set", setting]) });

const SEED = Buffer.alloc(32, 1).toString("base64");

describe("contradicting settings are refused, naming both", () => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ["the request limit is too small for the payload limit", "limits.request_bytes_max=8192", "limits.payload_bytes_max=65536"],
    ["the maximum back-off is below the minimum", "push.backoff_max_ms=10", "push.backoff_min_ms=11"],
    ["the current key is set directly and as a file", `keys.current=${SEED}`, "keys.current_file=/k"],
    ["the next key is set directly and as a file", `keys.next=${SEED}`, "keys.next_file=/k"],
    ["the previous key is set directly and as a file", `keys.previous=${SEED}`, "keys.previous_file=/k"],
    ["the Redis store has no URL", "stores.kind=redis", "stores.redis.url="],
    ["the edge and admin listeners share a port", "edge.listen=0.0.0.0:9000", "admin.listen=127.0.0.1:9000"],
    ["the embedded backend's listeners share a port", "dev.backend_listen=127.0.0.1:9000", "dev.push_listen=127.0.0.1:9000"],
  ];
  for (const [name, ...settings] of cases) {
    test(name, () => {
      const keys = settings.map((setting) => setting.slice(0, setting.indexOf("=")));
      for (const key of keys) expect(() => loadWith(...settings)).toThrow(key);
    });
  }
});

test("listeners may share a port on different addresses, and may all use port 0", () => {
  loadWith("edge.listen=10.0.0.1:9000", "admin.listen=127.0.0.1:9000");
  loadWith("edge.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0");
});

test("the smallest request limit that fits the payload limit is accepted", () => {
  loadWith("limits.payload_bytes_max=3072", "limits.request_bytes_max=8192");
});

describe("settings that serve requires", () => {
  const URLS = ["backend.url=http://b.example", "push.url=http://p.example"];
  const serveWith = (...settings: string[]) =>
    loadConfig({ env: {}, argv: settings.flatMap((setting) => ["--set", setting]), rules: SERVE_RULES });

  test("are reported together if missing: backend URL, push URL and key, each with its name and how to set it", () => {
    expect(() => serveWith()).toThrow(
      /3 problems:.*backend\.url: missing.*SALLYPORT_BACKEND_URL.*push\.url: missing.*SALLYPORT_PUSH_URL.*keys\.current.*keygen --out current\.key.*keys\.current_file.*keygen.*SALLYPORT_KEYS_CURRENT/s,
    );
    serveWith(...URLS, `keys.current=${SEED}`);
    serveWith(...URLS, "keys.current_file=/run/secrets/key");
  });

  test("are reported as missing if set to an empty text, but not if their value is invalid", () => {
    expect(() => serveWith("backend.url=ftp://x", "push.url=", `keys.current=${SEED}`)).toThrow(
      /2 problems:\n {2}- backend\.url \(flag --set\): got.*\n {2}- push\.url: missing/,
    );
  });

  test.each([
    ["a file that is missing", ["--config", "/no/such/file.toml"], "cannot be read"],
    ["a file with a wrong suffix", ["--config", "/no/such/file.ini"], "expected a name that ends in"],
    ["a file with a syntax error", ["--config", "broken.toml"], "not TOML"],
    ["a misspelt flag", ["--confg=gateway.toml"], "unknown flag"],
    ["a flag without its value", ["--config"], "expected a file after it"],
  ])("are not reported as missing if they may be in a source that could not be read: %s", (_, argv, problem) => {
    const readFile = (path: string) => {
      if (path === "broken.toml") return "[backend\nurl = ";
      throw new Error("ENOENT: no such file or directory");
    };
    const load = () => loadConfig({ env: {}, argv, readFile, rules: SERVE_RULES });
    expect(load).toThrow(/^the configuration has a problem:\n[^\n]+$/);
    expect(load).toThrow(problem);
  });

  test("are checked at every start of a gateway", () => {
    expect(() => requireBackend(loadWith("push.url=http://p.example"))).toThrow(/a problem:\n {2}- backend\.url: missing/);
  });
});

describe("a route with keep_answer_ms", () => {
  const keeping = (ms: unknown) =>
    `routes=${JSON.stringify([{ message_type: "a.b", method: "POST", path: "/api/v1/user/x", keep_answer_ms: ms }])}`;
  const MiB = 1024 * 1024;

  test("takes 1 ms to a day", () => {
    for (const ms of [1, 600_000, 86_400_000]) expect(loadWith(keeping(ms)).routes[0]?.keep_answer_ms).toBe(ms);
    for (const ms of [0, -1, 86_400_001, 1.5, "10m"]) expect(() => loadWith(keeping(ms))).toThrow("keep_answer_ms");
  });

  test("needs room for the largest answer in the share of one session; without such a route, nothing is needed", () => {
    const least = 16 * (2 * 8 * MiB + 1024);
    const settings = (bytesMax: number) => [`answers.bytes_max=${bytesMax}`, `backend.response_bytes_max=${8 * MiB}`];
    loadWith(keeping(1000), ...settings(least));
    expect(() => loadWith(keeping(1000), ...settings(least - 1))).toThrow(`expected at least ${least}`);
    loadWith(...settings(MiB));
  });
});
