import { expect, test } from "bun:test";
import { HttpFailure } from "../../../../src/backend/rest/http-failure.ts";
import { OutageLog } from "../../../../src/backend/rest/outage-log.ts";
import type { LogFields } from "../../../../src/core/telemetry.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

function createOutageLog() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const add = (message: string, fields: LogFields = {}) =>
    void lines.push(`${message} ${fields["failures_since_warning"] ?? fields["after_ms"]}`);
  const log = { debug: add, info: add, warn: add, error: add };
  return { clock, lines, outageLog: new OutageLog({ calls: "commands", log, clock }) };
}

const down = () => new HttpFailure("unavailable", "connection refused");

test("an outage is logged immediately and every 30 s with the failures since then; its end is logged once", () => {
  const { clock, lines, outageLog } = createOutageLog();
  outageLog.succeeded();
  for (let second = 0; second < 70; second++) {
    outageLog.failed(down());
    clock.advance(1000);
  }
  outageLog.succeeded();
  outageLog.succeeded();
  expect(lines).toEqual([
    "backend calls failing 1",
    "backend calls failing 30",
    "backend calls failing 30",
    "backend calls recovered 70000",
  ]);
});

test("a backend that fails every other call is logged no more often", () => {
  const { clock, lines, outageLog } = createOutageLog();
  for (let second = 0; second < 60; second++) {
    if (second % 2 === 0) outageLog.failed(down());
    else outageLog.succeeded();
    clock.advance(1000);
  }
  expect(lines).toEqual([
    "backend calls failing 1",
    "backend calls recovered 1000",
    "backend calls failing 15",
    "backend calls recovered 1000",
  ]);
});
