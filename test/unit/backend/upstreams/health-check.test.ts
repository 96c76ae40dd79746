import { afterEach, expect, test } from "bun:test";
import { upstreamSettings } from "../../../../src/app/upstream-settings.ts";
import type { UpstreamPool } from "../../../../src/backend/upstreams/upstream-pool.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { answers, HttpServer, hangs, isUnavailable } from "../../../support/http-servers.ts";
import { until } from "../../../support/until.ts";
import { openUpstreams } from "../../../support/upstreams.ts";
import { RecordingLog, RecordingMetrics } from "../support/recorders.ts";

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const HEALTH: Partial<Config> = {
  "backend.health.path": "/healthz",
  "backend.health.interval_ms": 100,
  "backend.health.timeout_ms": 500,
  "backend.health.unhealthy_threshold": 2,
  "backend.panic_percent": 0,
  "backend.token": "s3cret",
};

/** A server whose health checks and calls are answered separately. */
class CheckedServer extends HttpServer {
  health = answers;
  checks = 0;
  authorization = "";

  constructor() {
    super((request) => {
      if (new URL(request.url).pathname !== "/base/healthz") return answers(request);
      this.checks++;
      this.calls--;
      this.authorization = request.headers.get("authorization") ?? "";
      return this.health(request);
    });
    opened.defer(() => this.kill());
  }
}

function open(servers: readonly HttpServer[], settings: Partial<Config> = {}) {
  const [log, metrics] = [new RecordingLog(), new RecordingMetrics()];
  const rows = servers.map(({ url }, at) => ({ name: `s${at}`, url: `${url}/base`, weight: 1 }));
  const upstreams = openUpstreams({ ...HEALTH, upstreams: rows, ...settings }, { log, metrics });
  opened.defer(() => upstreams.close());
  return { pool: upstreams.pool("commands", 8, 4096), upstreams, rows, log, metrics };
}

async function outcomes(pool: UpstreamPool, calls: number): Promise<string[]> {
  const found = new Set<string>();
  for (let call = 0; call < calls; call++) {
    const request = { method: "POST", target: "/x", headers: {}, body: "{}", timeoutMs: 2000 } as const;
    found.add(await pool.call(request, () => "ok").catch((failure) => failure.kind));
  }
  return [...found];
}

test.each([
  ["answers 503", isUnavailable, '"cause":"HTTP 503"'],
  ["answers 204", () => new Response(null, { status: 204 }), '"cause":"HTTP 204"'],
  ["hangs", hangs, '"cause":"no answer within backend.health.timeout_ms"'],
])("an address whose health check %s gets no calls until it is healthy again", async (_, behaviour, cause) => {
  const servers = [new CheckedServer(), new CheckedServer()];
  const { pool, log } = open(servers);
  const logged = (text: string) => log.lines.some((line) => line.startsWith(text));
  expect(await outcomes(pool, 30)).toEqual(["ok"]);
  const [sick] = servers;
  if (sick === undefined) return expect.unreachable();
  expect(sick.calls).toBeGreaterThan(5);
  sick.health = behaviour;
  await until(() => logged("upstream address unhealthy"), "the address to be unhealthy");
  const line = log.lines.find((each) => each.startsWith("upstream address unhealthy"));
  expect(line).toContain(`"address":"127.0.0.1:${sick.port}"`);
  expect(line).toContain(cause);
  const before = sick.calls;
  expect(await outcomes(pool, 30)).toEqual(["ok"]);
  expect(sick.calls).toBe(before);
  sick.health = answers;
  await until(() => logged("upstream address healthy"), "the address to be healthy");
  await outcomes(pool, 30);
  expect(sick.calls).toBeGreaterThan(before + 5);
  expect(sick.authorization).toBe("Bearer s3cret");
});

test("a single failed check changes nothing, and all unhealthy refuses at once", async () => {
  const server = new CheckedServer();
  const { pool, log, upstreams, rows } = open([server]);
  await until(() => server.checks > 0, "the first check");
  let isFirst = true;
  server.health = () => {
    const response = isFirst ? new Response("no", { status: 500 }) : Response.json({});
    isFirst = false;
    return response;
  };
  const before = server.checks;
  await until(() => server.checks > before + 2, "three more checks");
  expect(log.lines.filter((line) => line.startsWith("upstream address unhealthy"))).toEqual([]);
  server.health = isUnavailable;
  await until(() => log.lines.some((line) => line.startsWith("upstream address unhealthy")), "the address to be unhealthy");
  expect(await outcomes(pool, 3)).toEqual(["unavailable"]);
  upstreams.adopt(upstreamSettings(loadConfig({ env: {}, overrides: { upstreams: rows, "backend.panic_percent": 0 } })));
  expect(await outcomes(pool, 3)).toEqual(["ok"]);
});
