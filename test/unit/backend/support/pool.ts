import { requireJson } from "../../../../src/backend/rest/answer-checks.ts";
import type { HttpAnswer, HttpCall } from "../../../../src/backend/rest/http-client.ts";
import { failureOfStatus, HttpFailure } from "../../../../src/backend/rest/http-failure.ts";
import type { UpstreamPool } from "../../../../src/backend/upstreams/upstream-pool.ts";
import type { Upstreams } from "../../../../src/backend/upstreams/upstreams.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { type Behaviour, HttpServer } from "../../../support/http-servers.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { seeded } from "../../../support/seeded.ts";
import { openUpstreams } from "../../../support/upstreams.ts";
import { RecordingLog, RecordingMetrics } from "./recorders.ts";

/** Calls over real connections to several real servers. */

export const OK = '{"ok":true}';
export const GET: HttpCall = { method: "GET", target: "/x", headers: {}, timeoutMs: 2000 };
export const POST: HttpCall = { ...GET, method: "POST", body: "{}" };

/** What the tests of a file have opened. It is closed after each test. */
let opened: { servers: HttpServer[]; upstreams: Upstreams[] } = { servers: [], upstreams: [] };
export const closeAll = async () => {
  for (const upstreams of opened.upstreams) upstreams.close();
  await Promise.all(opened.servers.map((server) => server.kill()));
  opened = { servers: [], upstreams: [] };
};

/** Closes the server after the test. */
export function closing(server: HttpServer): HttpServer {
  opened.servers.push(server);
  return server;
}

export interface Opened {
  readonly servers: readonly HttpServer[];
  readonly upstreams: Upstreams;
  readonly pool: UpstreamPool;
  readonly clock: ManualClock;
  readonly log: RecordingLog;
  readonly metrics: RecordingMetrics;
}

export function rowsOf(servers: readonly HttpServer[], weights: readonly number[] = []) {
  return servers.map(({ url }, at) => ({ name: `s${at}`, url, weight: weights[at] ?? 1 }));
}

export function open(behaviours: readonly Behaviour[], settings: Partial<Config> = {}): Opened {
  const servers = behaviours.map((behaviour) => new HttpServer(behaviour));
  opened.servers.push(...servers);
  const [clock, log, metrics] = [new ManualClock(), new RecordingLog(), new RecordingMetrics()];
  const upstreams = openUpstreams({ upstreams: rowsOf(servers), ...settings }, { clock, log, metrics, random: seeded(3) });
  opened.upstreams.push(upstreams);
  return { servers, upstreams, pool: upstreams.pool("commands", 64, 4096), clock, log, metrics };
}

function read(answer: HttpAnswer): string {
  if (answer.status >= 500) throw failureOfStatus(answer.status);
  requireJson(answer);
  return Buffer.from(answer.body).toString();
}

/** The body of the answer, or the kind of failure. */
export function outcome(pool: UpstreamPool, call: HttpCall): Promise<string> {
  return pool
    .call({ ...call, headers: {} }, read)
    .catch((thrown) => (thrown instanceof HttpFailure ? thrown.kind : String(thrown)));
}

/** The outcomes of calls that follow each other, each with its number. */
export async function outcomes(pool: UpstreamPool, call: HttpCall, calls: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let at = 0; at < calls; at++) {
    const each = await outcome(pool, call);
    counts[each] = (counts[each] ?? 0) + 1;
  }
  return counts;
}

export function callsOf(servers: readonly HttpServer[]): number {
  return servers.reduce((sum, { calls }) => sum + calls, 0);
}
