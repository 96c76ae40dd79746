import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { requireBackend, SERVE_RULES } from "../../../src/config/rules.ts";

const loadWith = (...settings: string[]) => loadConfig({ env: {}, argv: settings.flatMap((setting) => ["--set", setting]) });

const SEED = Buffer.alloc(32, 1).toString("base64");

describe("settings that contradict each other stop the start, with both names", () => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ["a request could not hold the payload it may have", "limits.request_bytes_max=8192", "limits.payload_bytes_max=65536"],
    ["the back-off would shrink", "push.backoff_max_ms=10", "push.backoff_min_ms=11"],
    ["a key is given twice", `keys.current=${SEED}`, "keys.current_file=/k"],
    ["the next key is given twice", `keys.next=${SEED}`, "keys.next_file=/k"],
    ["the previous key is given twice", `keys.previous=${SEED}`, "keys.previous_file=/k"],
    ["the shared Redis is nowhere", "stores.kind=redis", "stores.redis.url="],
    ["metrics would be on the public port", "edge.listen=0.0.0.0:9000", "admin.listen=127.0.0.1:9000"],
    ["the embedded backend's listeners collide", "dev.backend_listen=127.0.0.1:9000", "dev.push_listen=127.0.0.1:9000"],
  ];
  for (const [name, ...settings] of cases) {
    test(name, () => {
      const keys = settings.map((setting) => setting.slice(0, setting.indexOf("=")));
      for (const key of keys) expect(() => loadWith(...settings)).toThrow(key);
    });
  }
});

test("listeners may share a port number on addresses of their own, and port 0 always", () => {
  loadWith("edge.listen=10.0.0.1:9000", "admin.listen=127.0.0.1:9000");
  loadWith("edge.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0");
});

test("the smallest request limit that still holds a payload is accepted", () => {
  loadWith("limits.payload_bytes_max=3072", "limits.request_bytes_max=8192");
});

describe("what serve needs", () => {
  const URLS = ["backend.url=http://b.example", "push.url=http://p.example"];
  const serveWith = (...settings: string[]) =>
    loadConfig({ env: {}, argv: settings.flatMap((setting) => ["--set", setting]), rules: SERVE_RULES });

  test("is demanded all at once: the backend, its push service and a key, each by name and with how to give it", () => {
    expect(() => serveWith()).toThrow(
      /3 problems:.*backend\.url: missing.*SALLYPORT_BACKEND_URL.*push\.url: missing.*SALLYPORT_PUSH_URL.*keys\.current.*keygen.*SALLYPORT_KEYS_CURRENT/s,
    );
    serveWith(...URLS, `keys.current=${SEED}`);
    serveWith(...URLS, "keys.current_file=/run/secrets/key");
  });

  test("is not called missing where it was given and is wrong, and is where it was set to nothing", () => {
    expect(() => serveWith("backend.url=ftp://x", "push.url=", `keys.current=${SEED}`)).toThrow(
      /2 problems:\n {2}- backend\.url \(flag --set\): got.*\n {2}- push\.url: missing/,
    );
  });

  test("holds for every start of a gateway", () => {
    expect(() => requireBackend(loadWith("push.url=http://p.example"))).toThrow(/a problem:\n {2}- backend\.url: missing/);
  });
});
