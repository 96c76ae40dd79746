import { afterEach, describe, expect, test } from "bun:test";
import { upstreamSettings } from "../../../../src/app/upstream-settings.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { answers, answersRubbish, HttpServer, hangs, isUnavailable } from "../../../support/http-servers.ts";
import { until } from "../../../support/until.ts";
import { callsOf, closeAll, closing, GET, OK, open, outcome, outcomes, POST, rowsOf } from "../support/pool.ts";

/** Calls over real connections to several real servers, of which one fails. */

afterEach(closeAll);

describe("a killed server", () => {
  test.each([
    ["GET", GET],
    ["POST", POST],
  ])("is not noticed by the callers of %s, at once or one by one", async (_, call) => {
    const { servers, pool } = open([answers, answers, answers]);
    expect(await outcomes(pool, call, 20)).toEqual({ [OK]: 20 });
    await servers[0]?.kill();
    const together = await Promise.all(Array.from({ length: 60 }, () => outcome(pool, call)));
    expect(new Set(together)).toEqual(new Set([OK]));
    expect(await outcomes(pool, call, 60)).toEqual({ [OK]: 60 });
    expect(callsOf(servers)).toBe(140);
  });

  test("is ejected, logged, counted and returned", async () => {
    const { servers, pool, clock, log, metrics, upstreams } = open([answers, answers, answers]);
    await servers[0]?.kill();
    await outcomes(pool, GET, 60);
    expect(metrics.values.get('sallyport_upstream_ejections_total{upstream="s0",calls="commands"}')).toBe(1);
    upstreams.sample();
    const addresses = (state: string) =>
      metrics.values.get(`sallyport_upstream_addresses{upstream="s0",calls="commands",state="${state}"}`);
    expect([addresses("usable"), addresses("ejected")]).toEqual([0, 1]);
    servers[0]?.start();
    const before = servers[0]?.calls;
    await outcomes(pool, GET, 20);
    expect(servers[0]?.calls).toBe(before ?? -1);
    clock.advance(30_000);
    pool.sweep();
    await outcomes(pool, GET, 40);
    expect(servers[0]?.calls).toBeGreaterThan(5);
    const lines = log.lines.filter((line) => /^upstream address eject/.test(line));
    expect(lines.map((line) => line.split(" {")[0])).toEqual(["upstream address ejected", "upstream address ejection ended"]);
    const fields = `"upstream":"s0","address":"127.0.0.1:${servers[0]?.port}","calls":"commands"`;
    expect(lines[0]).toContain(`${fields},"for_ms":30000`);
    expect(lines[0]).toContain("ECONNREFUSED");
    expect(lines[1]).toContain(fields);
  });

  test("with retries off fails its callers", async () => {
    const { servers, pool } = open([answers, answers], { "backend.retries_max": 0 });
    await servers[0]?.kill();
    expect((await outcomes(pool, GET, 20))["unavailable"]).toBeGreaterThan(0);
  });
});

describe("a server that answers rubbish", () => {
  const settings = { "backend.outlier.consecutive_5xx": 0, "backend.outlier.consecutive_gateway_failure": 0 };

  test.each([
    ["rubbish", answersRubbish, "bad_response"],
    ["503", isUnavailable, "unavailable"],
  ])("(%s) costs a POST its answer, and is never sent twice", async (_, behaviour, kind) => {
    const { servers, pool } = open([answers, answers, behaviour], settings);
    const counts = await outcomes(pool, POST, 90);
    expect(counts[kind]).toBe(servers[2]?.calls ?? -1);
    expect(callsOf(servers)).toBe(90);
  });

  test("is repeated elsewhere within the retry budget, if a call may be sent twice", async () => {
    const { servers, pool, metrics } = open([answers, answers, answersRubbish], settings);
    const calls = 300;
    const counts = await outcomes(pool, GET, calls);
    const repeated = callsOf(servers) - calls;
    expect(callsOf(servers) / calls).toBeLessThanOrEqual(1.2);
    expect(repeated).toBeGreaterThanOrEqual(50);
    expect(counts["bad_response"]).toBe((servers[2]?.calls ?? 0) - repeated);
    expect(metrics.values.get('sallyport_upstream_retries_total{upstream="s0",calls="commands",kind="sent"}')).toBeGreaterThan(
      0,
    );
  });

  test("a POST with an idempotency key on a route that keeps answers may be sent twice", async () => {
    const { pool } = open([answers, answers, answersRubbish]);
    expect(await outcomes(pool, { ...POST, isRepeatable: true }, 60)).toEqual({ [OK]: 60 });
  });

  test("with 4xx is not repeated and not ejected", async () => {
    const notFound = () => new Response("no", { status: 404 });
    const { servers, pool, metrics } = open([notFound, notFound]);
    expect(await outcomes(pool, GET, 40)).toEqual({ bad_response: 40 });
    expect(callsOf(servers)).toBe(40);
    expect([...metrics.values.keys()].filter((key) => key.includes("ejections"))).toEqual([]);
  });
});

describe("a server that hangs", () => {
  test.each([50, 200])("costs a call its time of %i ms, and no more than 50 ms beyond it", async (timeoutMs) => {
    const { pool } = open([hangs, hangs]);
    const lateMs: number[] = [];
    for (let at = 0; at < 5; at++) {
      const startedMs = performance.now();
      expect(await outcome(pool, { ...GET, timeoutMs })).toBe("timeout");
      lateMs.push(performance.now() - startedMs - timeoutMs);
    }
    // Under the load of other tests, the process itself may be late. So the fastest of the calls counts.
    expect(Math.min(...lateMs)).toBeWithin(-1, 50);
  });

  test("is left after backend.response_timeout_ms, if the call may be sent twice", async () => {
    const { servers, pool } = open([hangs, answers], { "backend.response_timeout_ms": 300 });
    expect(await outcomes(pool, GET, 6)).toEqual({ [OK]: 6 });
    expect(servers[0]?.calls).toBeGreaterThan(0);
    const posts = await Promise.all(Array.from({ length: 6 }, () => outcome(pool, POST)));
    expect(posts.filter((each) => each !== OK).every((each) => each === "timeout")).toBe(true);
  });

  test("a caller that gives up ends the call at once, and ejects nothing", async () => {
    const { servers, pool, metrics } = open([hangs, hangs]);
    for (let at = 0; at < 12; at++) {
      const before = callsOf(servers);
      const caller = new AbortController();
      const call = outcome(pool, { ...GET, signal: caller.signal });
      await until(() => callsOf(servers) > before, "the call to arrive");
      caller.abort();
      expect(await call).toBe("aborted");
    }
    expect([...metrics.values.keys()].filter((key) => key.includes("ejections"))).toEqual([]);
  });
});

test("other settings apply to the next call: addresses, weights, budgets and timeouts", async () => {
  const { servers, pool, upstreams } = open([answers, answers, answers]);
  const adopt = (settings: Partial<Config>) => upstreams.adopt(upstreamSettings(loadConfig({ env: {}, overrides: settings })));
  await outcomes(pool, GET, 30);
  adopt({ upstreams: rowsOf(servers.slice(0, 2), [1, 0]) });
  const before = servers.map(({ calls }) => calls);
  expect(await outcomes(pool, GET, 30)).toEqual({ [OK]: 30 });
  expect(servers.map(({ calls }, at) => calls - (before[at] ?? 0))).toEqual([30, 0, 0]);
  for (const server of servers) server.behaviour = hangs;
  adopt({ upstreams: rowsOf(servers.slice(2)), "backend.response_timeout_ms": 300 });
  expect(await outcome(pool, { ...GET, timeoutMs: 600_000 })).toBe("timeout");
  expect(servers[2]?.calls).toBe((before[2] ?? 0) + 1);
});

test("a call to an upstream that is removed still gets its answer", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { servers, pool, upstreams } = open([(request) => gate.then(() => answers(request))]);
  const other = closing(new HttpServer());
  const call = outcome(pool, GET);
  await until(() => servers[0]?.calls === 1, "the call to arrive");
  upstreams.adopt(upstreamSettings(loadConfig({ env: {}, overrides: { upstreams: rowsOf([other]) } })));
  expect(await outcome(pool, GET)).toBe(OK);
  expect(other.calls).toBe(1);
  release();
  expect(await call).toBe(OK);
});
