import { describe, expect, test } from "bun:test";
import { Reloading, type ReloadPart } from "../../../src/app/reload.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const load = (overrides: Partial<Config> = {}) => loadConfig({ env: {}, overrides });

const MiB = 1024 * 1024;

/** A reload of parts that record what they do. */
function open(parts: (record: (what: string) => void) => readonly ReloadPart[] = () => []) {
  const [events, lines]: [string[], string[]] = [[], []];
  const record = (what: string) => void events.push(what);
  const line = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const metrics = createMetrics({ version: "" });
  const clock = new ManualClock();
  let obstacle: string | undefined;
  const own: ReloadPart = {
    prepare(next) {
      record(`prepare ${next["budgets.ip.rate"]}`);
      return { commit: () => record(`commit ${next["budgets.ip.rate"]}`) };
    },
  };
  const reloading = new Reloading(load(), {
    parts: [own, ...parts(record)],
    obstacle: () => obstacle,
    log: { debug() {}, info: line, warn: line, error: line },
    ...{ metrics, clock },
  });
  const block = (text: string | undefined) => {
    obstacle = text;
  };
  const gauge = (name: string) => Number(new RegExp(`^${name} (\\S+)`, "m").exec(metrics.render())?.[1]);
  return { reloading, events, lines, metrics, clock, block, gauge };
}

describe("reloading", () => {
  test("an invalid configuration changes nothing and is logged", async () => {
    const { reloading, events, lines, metrics, gauge } = open();
    const argv = ["--set", "budgets.ip.rate=7", "--set", "budgets.user.rate=-1"];
    const refused = await reloading.reload(() => loadConfig({ env: {}, argv }));
    expect(refused).toMatchObject({ kind: "refused", problems: [expect.stringContaining("budgets.user.rate")] });
    expect([events, gauge("sallyport_config_generation")]).toEqual([[], 1]);
    expect(lines.join()).toContain("budgets.user.rate");
    expect(await reloading.reload(() => load({ "budgets.ip.rate": 8 }))).toMatchObject({ generation: 2 });
    expect(events).toEqual(["prepare 8", "commit 8"]);
    expect(metrics.render()).toContain('sallyport_config_reloads_total{outcome="refused"} 1');
    expect(metrics.render()).toContain('sallyport_config_reloads_total{outcome="adopted"} 1');
  });

  test("if one part cannot prepare, no part commits", async () => {
    const { reloading, events } = open(() => [
      {
        async prepare() {
          throw new Error("no such file");
        },
      },
    ]);
    expect(await reloading.reload(() => load({ "budgets.ip.rate": 8 }))).toEqual({
      kind: "refused",
      problems: ["no such file"],
    });
    expect(events).toEqual(["prepare 8"]);
    expect(reloading.running["budgets.ip.rate"]).toBe(load()["budgets.ip.rate"]);
  });

  test("new routes whose answers are kept too briefly are a warning, each time that the routes change", async () => {
    const { reloading, lines } = open();
    const text = `[[routes]]\nmessage_type = "pay.now"\npost = "/api/v1/user/pay"\nbody = "*"\nkeep_answer_ms = 1000\n`;
    const routes = (rate: number) => () =>
      loadConfig({
        env: {},
        argv: ["--config", "gateway.toml", "--set", `budgets.ip.rate=${rate}`],
        readFile: () => text,
      });
    expect(await reloading.reload(routes(7))).toMatchObject({ kind: "reloaded" });
    await reloading.reload(routes(8));
    expect(lines.filter((line) => line.startsWith("answers kept for less"))).toEqual([
      'answers kept for less than the retries of clients {"message_type":"pay.now","keep_answer_ms":1000,"expected_min_ms":60000}',
    ]);
  });

  test("parts commit in one turn, after all have prepared", async () => {
    const { reloading, events } = open((record) => [
      {
        async prepare() {
          await Promise.resolve();
          record("second prepared");
          return {
            commit() {
              queueMicrotask(() => record("a later turn"));
              record("second committed");
            },
          };
        },
      },
      { prepare: () => ({ commit: () => record("third committed") }) },
    ]);
    await reloading.reload(() => load({ "budgets.ip.rate": 8 }));
    expect(events.slice(0, 5)).toEqual(["prepare 8", "second prepared", "commit 8", "second committed", "third committed"]);
  });

  test("a setting is logged without its value, and a part that waits for a restart is named", async () => {
    const { reloading, lines } = open();
    const outcome = await reloading.reload(() => load({ "backend.token": "secret-token", "stores.redis.prefix": "other" }));
    expect(outcome).toMatchObject({ changed: ["backend.token"], needsRestart: ["stores.redis.prefix"] });
    expect(lines.join()).toContain("backend.token");
    expect(lines.join()).toContain("stores.redis.prefix");
    expect(lines.join() + JSON.stringify(outcome)).not.toContain("secret-token");
  });

  test("a rule that the new settings break with those that stay is refused", async () => {
    const { reloading, events } = open();
    const route = { message_type: "a.b", method: "GET", path: "/api/v1/user/a", keep_answer_ms: 1000 } as const;
    const next = load({ routes: [route], "backend.response_bytes_max": 16 * MiB, "answers.bytes_max": 16 * 1024 * MiB });
    const refused = await reloading.reload(() => next);
    expect(refused).toMatchObject({ kind: "refused" });
    expect(JSON.stringify(refused)).toContain("these changes need a restart: answers.bytes_max");
    expect(events).toEqual([]);
  });

  test("an obstacle refuses a reload, also one that appears while the parts prepare", async () => {
    const { reloading, events, block } = open(() => [
      {
        async prepare() {
          block("an upgrade is running");
          return { commit() {} };
        },
      },
    ]);
    const refused = { kind: "refused", problems: ["an upgrade is running"] } as const;
    expect(await reloading.reload(() => load({ "budgets.ip.rate": 8 }))).toEqual(refused);
    expect(await reloading.reload(() => load({ "budgets.ip.rate": 9 }))).toEqual(refused);
    expect(events).toEqual(["prepare 8"]);
  });

  test("requests during a reload share the next one, which reads the configuration later", async () => {
    const held = Promise.withResolvers<void>();
    const { reloading, events } = open(() => [{ prepare: () => held.promise.then(() => ({ commit() {} })) }]);
    let rate = 1;
    const next = () => load({ "budgets.ip.rate": rate });
    const first = reloading.reload(next);
    const others = [reloading.reload(next), reloading.reload(next)];
    rate = 2;
    held.resolve();
    expect(await first).toMatchObject({ generation: 2 });
    const [second, third] = await Promise.all(others);
    expect([second, third]).toEqual([expect.objectContaining({ generation: 3 }), expect.objectContaining({ generation: 3 })]);
    expect(events).toEqual(["prepare 1", "commit 1", "prepare 2", "commit 2"]);
  });

  test("the metrics name the configuration and the time at which it was applied", async () => {
    const { reloading, clock, gauge } = open();
    const [hash, appliedSeconds] = [gauge("sallyport_config_hash"), gauge("sallyport_config_applied_seconds")];
    clock.advance(5000);
    await reloading.reload(() => load({ "backend.token": "secret-token" }));
    expect(gauge("sallyport_config_hash")).toBe(hash);
    expect(gauge("sallyport_config_applied_seconds")).toBe(appliedSeconds + 5);
    await reloading.reload(() => load({ "budgets.ip.rate": 8 }));
    expect(gauge("sallyport_config_hash")).not.toBe(hash);
    await reloading.reload(() => load());
    expect([gauge("sallyport_config_hash"), gauge("sallyport_config_generation")]).toEqual([hash, 4]);
  });
});
