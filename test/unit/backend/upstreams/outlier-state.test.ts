import { expect, test } from "bun:test";
import { OutlierState } from "../../../../src/backend/upstreams/outlier-state.ts";
import type { OutlierSettings } from "../../../../src/backend/upstreams/settings.ts";

const SETTINGS: OutlierSettings = {
  consecutive5xx: 5,
  consecutiveGatewayFailure: 3,
  intervalMs: 10_000,
  baseEjectionTimeMs: 30_000,
  maxEjectionTimeMs: 70_000,
  maxEjectionPercent: 10,
};

test("five failures in a row are due, and a success starts the count again", () => {
  const state = new OutlierState();
  const fail = () => state.failed("bad_response", SETTINGS);
  expect([fail(), fail(), fail(), fail()]).toEqual([false, false, false, false]);
  state.succeeded();
  expect([fail(), fail(), fail(), fail(), fail()]).toEqual([false, false, false, false, true]);
});

test("gateway failures have a threshold of their own, and another failure starts their count again", () => {
  const state = new OutlierState();
  expect(state.failed("timeout", SETTINGS)).toBe(false);
  expect(state.failed("unavailable", SETTINGS)).toBe(false);
  expect(state.failed("bad_response", SETTINGS)).toBe(false);
  expect(state.failed("unavailable", { ...SETTINGS, consecutive5xx: 0 })).toBe(false);
  expect(state.failed("timeout", { ...SETTINGS, consecutive5xx: 0 })).toBe(false);
  expect(state.failed("timeout", { ...SETTINGS, consecutive5xx: 0 })).toBe(true);
});

test("a threshold of 0 turns its detector off", () => {
  const state = new OutlierState();
  const off = { ...SETTINGS, consecutive5xx: 0, consecutiveGatewayFailure: 0 };
  expect(Array.from({ length: 20 }, () => state.failed("timeout", off)).includes(true)).toBe(false);
});

test("each ejection in a row is longer, up to the maximum, and quiet intervals shorten the next one", () => {
  const state = new OutlierState();
  let nowMs = 0;
  const ejectionMs = () => {
    const durationMs = state.eject(nowMs, SETTINGS);
    expect(state.sweep(nowMs + durationMs - 1)).toBe(false);
    expect(state.isEjected).toBe(true);
    nowMs += durationMs;
    expect(state.sweep(nowMs)).toBe(true);
    expect(state.isEjected).toBe(false);
    return durationMs;
  };
  expect([ejectionMs(), ejectionMs(), ejectionMs()]).toEqual([30_000, 60_000, 70_000]);
  for (let interval = 0; interval < 3; interval++) state.sweep(nowMs);
  expect(ejectionMs()).toBe(30_000);
});
