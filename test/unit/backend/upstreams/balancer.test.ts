import { describe, expect, test } from "bun:test";
import { choose, type Target } from "../../../../src/backend/upstreams/balancer.ts";
import { seeded } from "../../../support/seeded.ts";

const CALLS = 10_000;

interface Server extends Target {
  readonly name: string;
  active: number;
  calls: number;
}

function server(name: string, weight = 1, warmth = 1): Server {
  return { name, weight, warmth, active: 0, calls: 0 };
}

/** Makes calls of which `concurrency` run at a time. A call takes as many steps as `stepsOf` tells for its server. */
function run(servers: readonly Server[], concurrency: number, stepsOf: (server: Server) => number = () => 10): void {
  const random = seeded(7);
  const running: { server: Server; endsAt: number }[] = [];
  for (let step = 0, calls = 0; calls < CALLS; step++) {
    for (let at = running.length - 1; at >= 0; at--) {
      const call = running[at];
      if (call === undefined || call.endsAt > step) continue;
      call.server.active--;
      running.splice(at, 1);
    }
    while (running.length < concurrency && calls < CALLS) {
      const chosen = choose(servers, random) ?? expect.unreachable();
      chosen.active++;
      chosen.calls++;
      calls++;
      running.push({ server: chosen, endsAt: step + stepsOf(chosen) + Math.floor(random() * 5) });
    }
  }
}

/** Four standard deviations of the share of a canary of 10 %. */
const MARGIN = 4 * Math.sqrt((0.1 * 0.9) / CALLS);

describe.each([1, 4, 32, 200])("with %i calls at a time", (concurrency) => {
  test("a canary with 10 % of the weight gets 10 % of the calls", () => {
    const [canary, ...others] = [server("canary", 10), server("a", 45), server("b", 45)];
    run([canary ?? expect.unreachable(), ...others], concurrency);
    expect(Math.abs((canary?.calls ?? 0) / CALLS - 0.1)).toBeLessThan(MARGIN);
  });

  test("servers of equal weight and speed get equal shares", () => {
    const servers = ["a", "b", "c", "d"].map((name) => server(name));
    run(servers, concurrency);
    for (const { calls } of servers) expect(Math.abs(calls / CALLS - 0.25)).toBeLessThan(0.03);
  });
});

test("a slow server gets fewer calls, so that its running calls stay near those of the others", () => {
  const servers = [server("slow"), server("a"), server("b")];
  run(servers, 60, ({ name }) => (name === "slow" ? 100 : 10));
  expect((servers[0]?.calls ?? CALLS) / CALLS).toBeLessThan(0.12);
});

test.each([1, 60])("with %i calls at a time, a server in its slow start gets a small share", (concurrency) => {
  const servers = [server("new", 1, 0.1), server("a"), server("b")];
  run(servers, concurrency);
  const share = (servers[0]?.calls ?? 0) / CALLS;
  expect(share).toBeGreaterThan(0.02);
  expect(share).toBeLessThan(0.12);
});

test("without a target there is no choice", () => {
  expect(choose([], Math.random)).toBeUndefined();
});
