import { afterEach, describe, expect, test } from "bun:test";
import { answers, HttpServer, hangs, isUnavailable } from "../../../support/http-servers.ts";
import { NO_SILENT_LISTENER, silentListener } from "../../../support/silent-listener.ts";
import { until } from "../../../support/until.ts";
import { callsOf, closeAll, closing, GET, OK, open, outcome, outcomes, POST, rowsOf } from "../support/pool.ts";
import { http, rawServer } from "../support/raw-server.ts";

/** Connection tests, the breaker, ejection and the panic, with several real servers. */

afterEach(closeAll);

describe.skipIf(NO_SILENT_LISTENER !== undefined)(NO_SILENT_LISTENER ?? "an address that does not answer TCP", () => {
  test("is left after backend.connect_timeout_ms, also by a POST, and is ejected", async () => {
    const silent = await silentListener();
    try {
      const server = closing(new HttpServer());
      const rows = [...rowsOf([server]), { name: "silent", url: `http://127.0.0.1:${silent.port}` }];
      const { pool, metrics } = open([], { upstreams: rows, "backend.connect_timeout_ms": 100 });
      const startedMs = performance.now();
      expect(await outcomes(pool, POST, 40)).toEqual({ [OK]: 40 });
      // After five tests the address is ejected. So the calls wait five times, and no longer.
      expect(performance.now() - startedMs).toBeWithin(490, 1900);
      expect(metrics.values.get('sallyport_upstream_ejections_total{upstream="silent",calls="commands"}')).toBe(1);
      expect(server.calls).toBe(40);
    } finally {
      await silent.close();
    }
  });

  test("costs a call no more than its own timeout", async () => {
    const silent = await silentListener();
    try {
      const url = `http://127.0.0.1:${silent.port}`;
      const rows = ["a", "b"].map((name) => ({ name, url }));
      const { pool } = open([], { upstreams: rows, "backend.connect_timeout_ms": 60_000 });
      const startedMs = performance.now();
      expect(await outcome(pool, { ...POST, timeoutMs: 200 })).toBe("timeout");
      expect(performance.now() - startedMs).toBeLessThan(1000);
    } finally {
      await silent.close();
    }
  });
});

test("an address that answers gets no connection tests", async () => {
  await using raw = await rawServer((socket) => socket.write(http(200, { "content-type": "application/json" }, OK)));
  const other = closing(new HttpServer());
  const rows = [...rowsOf([other]), { name: "raw", url: raw.url }];
  const { pool } = open([], { upstreams: rows });
  await outcomes(pool, GET, 40);
  expect(raw.connections()).toBe(2);
});

describe("the breaker", () => {
  test("runs no more than backend.requests_max calls at an address, and refuses calls beyond backend.pending_max", async () => {
    const settings = { "backend.requests_max": 3, "backend.pending_max": 4 };
    const { servers, pool, upstreams, metrics } = open([hangs, hangs], settings);
    const calls = Array.from({ length: 12 }, () => outcome(pool, { ...GET, timeoutMs: 300 }));
    const first = await Promise.race(calls.slice(10));
    expect(first).toBe("unavailable");
    await until(() => callsOf(servers) === 6, "the running calls to arrive");
    upstreams.sample();
    expect(metrics.values.get('sallyport_upstream_pending{calls="commands"}')).toBe(4);
    expect(metrics.values.get('sallyport_upstream_active{upstream="s0",calls="commands"}')).toBe(3);
    expect(servers.map(({ calls: count }) => count)).toEqual([3, 3]);
    const all = await Promise.all(calls);
    expect(all.filter((each) => each === "unavailable")).toHaveLength(2);
  });

  test("of commands does not hold session look-ups and logins up", async () => {
    const { servers, pool, upstreams } = open([hangs, hangs], { "backend.requests_max": 1, "backend.pending_max": 0 });
    const sessions = upstreams.pool("sessions", 8, 4096);
    const hanging = [outcome(pool, { ...GET, timeoutMs: 500 }), outcome(pool, { ...GET, timeoutMs: 500 })];
    await until(() => callsOf(servers) === 2, "the calls to hang");
    for (const server of servers) server.behaviour = answers;
    expect(await outcome(pool, GET)).toBe("unavailable");
    expect(await outcome(sessions, GET)).toBe(OK);
    await Promise.all(hanging);
  });
});

describe("when most addresses fail", () => {
  test("one of three is ejected by default, and the others keep their calls", async () => {
    const { pool, metrics } = open([isUnavailable, isUnavailable, answers]);
    await outcomes(pool, POST, 100);
    const ejections = [...metrics.values].filter(([key]) => key.includes("ejections"));
    expect(ejections.reduce((sum, [, count]) => sum + count, 0)).toBe(1);
  });

  test("a panic uses every address, and without it only the usable one", async () => {
    const settings = { "backend.outlier.max_ejection_percent": 100 };
    const panicking = open([isUnavailable, isUnavailable, answers], settings);
    await outcomes(panicking.pool, POST, 100);
    expect(panicking.log.lines.some((line) => line.startsWith("too few usable"))).toBe(true);
    const before = panicking.servers[0]?.calls ?? 0;
    await outcomes(panicking.pool, POST, 60);
    expect(panicking.servers[0]?.calls).toBeGreaterThan(before);

    const strict = open([isUnavailable, isUnavailable, answers], { ...settings, "backend.panic_percent": 0 });
    await outcomes(strict.pool, POST, 100);
    expect(await outcomes(strict.pool, POST, 60)).toEqual({ [OK]: 60 });
  });

  test("all ejected without a panic: refused at once, without a call", async () => {
    const settings = { "backend.outlier.max_ejection_percent": 100, "backend.panic_percent": 0 };
    const { servers, pool } = open([isUnavailable, isUnavailable], settings);
    await outcomes(pool, POST, 40);
    const before = callsOf(servers);
    expect(await outcomes(pool, GET, 5)).toEqual({ unavailable: 5 });
    expect(callsOf(servers)).toBe(before);
  });

  test("the only address is never ejected", async () => {
    const { servers, pool } = open([isUnavailable], {
      "backend.outlier.max_ejection_percent": 100,
      "backend.panic_percent": 0,
    });
    await outcomes(pool, GET, 20);
    for (const server of servers) server.behaviour = answers;
    expect(await outcome(pool, GET)).toBe(OK);
  });
});
