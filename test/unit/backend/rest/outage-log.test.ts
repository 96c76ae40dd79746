import { expect, test } from "bun:test";
import { HttpFailure } from "../../../../src/backend/rest/http-failure.ts";
import { OutageLog } from "../../../../src/backend/rest/outage-log.ts";
import type { LogFields } from "../../../../src/core/ports.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

function setting() {
  const clock = new ManualClock();
  const told: string[] = [];
  const tell = (message: string, fields: LogFields = {}) => void told.push(`${message} ${fields.failures ?? fields.after_ms}`);
  const log = { debug: tell, info: tell, warn: tell, error: tell };
  return { clock, told, report: new OutageLog({ calls: "commands", log, clock }) };
}

const down = () => new HttpFailure("unavailable", "connection refused");

test("an outage is told at once, and every 30 s with the failures since; its end once", () => {
  const { clock, told, report } = setting();
  report.succeeded();
  for (let second = 0; second < 70; second++) {
    report.failed(down());
    clock.advance(1000);
  }
  report.succeeded();
  report.succeeded();
  expect(told).toEqual([
    "backend: calls fail 1",
    "backend: calls fail 30",
    "backend: calls fail 30",
    "backend: calls succeed again 70000",
  ]);
});

test("a backend that fails every other call is told of no more often than that", () => {
  const { clock, told, report } = setting();
  for (let second = 0; second < 60; second++) {
    if (second % 2 === 0) report.failed(down());
    else report.succeeded();
    clock.advance(1000);
  }
  expect(told).toEqual([
    "backend: calls fail 1",
    "backend: calls succeed again 1000",
    "backend: calls fail 15",
    "backend: calls succeed again 1000",
  ]);
});
