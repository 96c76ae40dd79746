import { expect, test } from "bun:test";
import { openBackend } from "../../../src/app/backend.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { requireBackend } from "../../../src/config/rules.ts";
import type { Config } from "../../../src/config/schema.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { TlsFilesError } from "../../../src/core/start-error.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { answers, HttpServer, hangs } from "../../support/http-servers.ts";
import { NO_CLIENT_HEADERS } from "../../support/no-client-headers.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";

const ROUTES = [{ message_type: "a.b", method: "GET", path: "/api/v1/user/a" }] as const;
const COMMAND = {
  ...{ messageType: "a.b", requestId: "r", idempotencyKey: "", deviceSessionId: "s", userId: "u", peerAddress: "192.0.2.1" },
  ...NO_CLIENT_HEADERS,
  payloadBytes: new Uint8Array(0),
};

test("a new configuration applies to the next commands as a whole, or not at all", async () => {
  const servers = [new HttpServer(answers), new HttpServer(answers)];
  const [first, second] = servers;
  const configOf = (settings: Partial<Config>) =>
    requireBackend(loadConfig({ env: {}, overrides: { routes: ROUTES, "push.url": "http://127.0.0.1:1", ...settings } }));
  const parts = { metrics: createMetrics({ version: "" }), log: SILENT_LOG, clock: systemClock };
  const backend = openBackend(configOf({ "backend.url": first?.url }), parts);
  const execute = () =>
    backend.commands
      .route("a.b")
      ?.execute(COMMAND, new AbortController().signal, () => {})
      .then(
        ({ resultCode }) => resultCode,
        (thrown) => (thrown instanceof Refusal ? thrown.reason : String(thrown)),
      );
  try {
    expect(await execute()).toBe("ok");
    const broken = configOf({ "backend.url": second?.url, "backend.token_file": "/nowhere/token", routes: [] });
    expect(() => backend.prepare(broken)).toThrow(TlsFilesError);
    expect(await execute()).toBe("ok");
    expect(servers.map(({ calls }) => calls)).toEqual([2, 0]);

    const rows = [{ name: "second", url: second?.url ?? "" }];
    const { commit } = backend.prepare(configOf({ upstreams: rows, "backend.timeout_ms": 500, "backend.token": "t0ken" }));
    expect(await execute()).toBe("ok");
    expect(servers.map(({ calls }) => calls)).toEqual([3, 0]);
    commit();
    expect(await execute()).toBe("ok");
    expect(servers.map(({ calls }) => calls)).toEqual([3, 1]);
    expect(second?.last?.headers["authorization"]).toBe("Bearer t0ken");
    if (second !== undefined) second.behaviour = hangs;
    const startedMs = performance.now();
    expect(await execute()).toBe("BACKEND_TIMEOUT");
    expect(performance.now() - startedMs).toBeLessThan(4000);
  } finally {
    backend.close();
    await Promise.all(servers.map((server) => server.kill()));
  }
});
