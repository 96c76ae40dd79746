import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { mergeReload } from "../../../src/config/reload.ts";
import { rowsText } from "../../../src/config/row-changes.ts";
import type { Config } from "../../../src/config/schema.ts";

const load = (overrides: Partial<Config> = {}) => loadConfig({ env: {}, overrides });

const READ = { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" } as const;
const SEND = { message_type: "chat.send", method: "POST", path: "/api/v1/user/chat" } as const;

describe("merging a reloaded configuration", () => {
  test("applies changed settings and lists their keys", () => {
    const { merged, changed, needRestart } = mergeReload(load(), load({ "budgets.ip.rate": 7, "backend.timeout_ms": 1 }));
    expect([merged["budgets.ip.rate"], merged["backend.timeout_ms"]]).toEqual([7, 1]);
    expect([changed, needRestart]).toEqual([["backend.timeout_ms", "budgets.ip.rate"], []]);
  });

  test("names the rows that were added and removed, and the changed fields of the others", () => {
    const running = load({ routes: [READ, SEND], public_routes: [], upstreams: [{ name: "a", url: "http://127.0.0.1:1" }] });
    const next = load({
      routes: [
        { ...READ, message_type: "user.get" },
        { ...SEND, path: "/api/v1/user/other", timeout_ms: 5 },
      ],
      public_routes: [{ method: "GET", path: "/v1/status", class: "public_misc" }],
      upstreams: [{ name: "a", url: "http://127.0.0.1:2" }],
    });
    const { changed, rows } = mergeReload(running, next);
    expect(changed).toEqual(["upstreams", "routes", "public_routes"]);
    expect(rows).toEqual({
      routes: { added: ["user.get"], removed: ["user.profile.get"], changed: { "chat.send": ["path", "timeout_ms"] } },
      public_routes: { added: ["GET /v1/status"], removed: [], changed: {} },
      upstreams: { added: [], removed: [], changed: { a: ["url"] } },
    });
    const routes = rows["routes"];
    expect(routes && rowsText(routes)).toBe("+user.get -user.profile.get ~chat.send(path,timeout_ms)");
  });

  test("keeps the settings that need a restart, and lists the changed ones at every reload", () => {
    const next = load({ "freshness.window_ms": 30_000, "budgets.ip.rate": 7 });
    const first = mergeReload(load(), next);
    expect(first.merged["freshness.window_ms"]).toBe(load()["freshness.window_ms"]);
    const second = mergeReload(first.merged, next);
    expect([second.changed, second.needRestart]).toEqual([[], ["freshness.window_ms"]]);
  });

  test("TLS is not turned on or off", () => {
    const tls = { "tls.certificate_file": "a.pem", "tls.key_file": "a.key" };
    for (const [running, next] of [
      [load(), load(tls)],
      [load(tls), load()],
      [load(tls), load({ ...tls, "tls.client_ca_file": "ca.pem" })],
    ] as const) {
      const { merged, changed, needRestart } = mergeReload(running, next);
      expect([merged["tls.certificate_file"], changed]).toEqual([running["tls.certificate_file"], []]);
      expect(needRestart.length).toBeGreaterThan(0);
    }
    expect(mergeReload(load(tls), load({ ...tls, "tls.key_file": "b.key" })).changed).toEqual(["tls.key_file"]);
  });

  test("with TLS on one port, the first trusted proxy needs a restart, a second one does not", () => {
    const tls = { "tls.certificate_file": "a.pem", "tls.key_file": "a.key", "edge.grpc": "same-port" } as const;
    const proxies = (trusted_proxies: string[]) => load({ ...tls, trusted_proxies });
    expect(mergeReload(proxies([]), proxies(["192.0.2.1"])).needRestart).toEqual(["trusted_proxies"]);
    expect(mergeReload(proxies(["192.0.2.1"]), proxies(["192.0.2.1", "192.0.2.2"])).needRestart).toEqual([]);
  });
});
