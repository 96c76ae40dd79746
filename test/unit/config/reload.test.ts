import { describe, expect, test } from "bun:test";
import { configReload } from "../../../src/app/reload.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { mergeReload } from "../../../src/config/reload.ts";
import type { Config } from "../../../src/config/schema.ts";

const load = (overrides: Partial<Config> = {}) => loadConfig({ env: {}, overrides });

const READ = { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" } as const;
const SEND = { message_type: "chat.send", method: "POST", path: "/api/v1/user/chat" } as const;

describe("merging a reloaded configuration", () => {
  test("applies changed budgets and lists their keys", () => {
    const { merged, changed, needRestart } = mergeReload(load(), load({ "budgets.ip.rate": 7, "budgets.user.shadow": true }));
    expect([merged["budgets.ip.rate"], merged["budgets.user.shadow"]]).toEqual([7, true]);
    expect([changed, needRestart]).toEqual([["budgets.ip.rate", "budgets.user.shadow"], []]);
  });

  test("applies the budgets of routes and no other field of them", () => {
    const running = load({ routes: [{ ...READ, budget: { rate: 1, burst: 1 } }, SEND] });
    const next = load({ routes: [READ, { ...SEND, path: "/api/v1/user/other", budget: { rate: 2, burst: 2 } }] });
    const { merged, changed, needRestart } = mergeReload(running, next);
    expect(merged.routes).toEqual([READ, { ...SEND, budget: { rate: 2, burst: 2 } }]);
    expect([changed, needRestart]).toEqual([["routes"], ["routes"]]);
  });

  test("keeps all other settings, and lists the changed ones at every reload", () => {
    const next = load({ "backend.timeout_ms": 1, "budgets.ip.rate": 7 });
    const first = mergeReload(load(), next);
    expect(first.merged["backend.timeout_ms"]).toBe(5000);
    const second = mergeReload(first.merged, next);
    expect([second.changed, second.needRestart]).toEqual([[], ["backend.timeout_ms"]]);
  });
});

describe("reloading", () => {
  function reloading() {
    const [adopted, lines, counted]: [number[], string[], string[]] = [[], [], []];
    const record = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const reload = configReload(load(), {
      adopters: [{ adoptBudgets: (next) => void adopted.push(next["budgets.ip.rate"]) }],
      log: { debug() {}, info: record, warn: record, error: record },
      metrics: {
        count: (_, labels) => void counted.push(labels?.["outcome"] ?? ""),
        gauge() {},
        observe() {},
        beforeRender: () => () => {},
        render: () => "",
        snapshot: () => [],
      },
    });
    return { reload, adopted, lines, counted };
  }

  test("an invalid configuration changes nothing and is logged", () => {
    const { reload, adopted, lines, counted } = reloading();
    const argv = ["--set", "budgets.ip.rate=7", "--set", "budgets.user.rate=-1"];
    expect(reload(() => loadConfig({ env: {}, argv }))).toBe(false);
    expect([adopted, counted]).toEqual([[], ["refused"]]);
    expect(lines.join()).toContain("budgets.user.rate");
    expect(reload(() => load({ "budgets.ip.rate": 8 }))).toBe(true);
    expect([adopted, counted]).toEqual([[8], ["refused", "adopted"]]);
  });

  test("a setting that requires a restart is logged without its value", () => {
    const { reload, lines } = reloading();
    reload(() => load({ "backend.token": "secret-token" }));
    expect(lines.join()).toContain("backend.token");
    expect(lines.join()).not.toContain("secret-token");
  });
});
