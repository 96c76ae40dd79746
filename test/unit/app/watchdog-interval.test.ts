import { describe, expect, test } from "bun:test";
import { ServiceManager, watchdogInterval } from "../../../src/app/service-manager.ts";
import { DatagramReceiver } from "../../support/datagram-receiver.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";

/** The watchdog messages keep the timeout of the service manager, and no value of it makes the event loop busy. */

function intervalOf(watchdogMicroseconds: string | undefined, watchdogPid?: string) {
  const warnings: string[] = [];
  const log = { ...SILENT_LOG, warn: (message: string) => void warnings.push(message) };
  const intervalMs = watchdogInterval({ notifySocket: "/run/notify", watchdogMicroseconds, watchdogPid }, log);
  return { intervalMs, warnings };
}

test.each<[string, number]>([
  ["20000", 10],
  ["30000000", 15_000],
  ["7200000000", 3_600_000],
  ["5184000000000", 3_600_000],
  ["9007199254740993", 3_600_000],
  ["18446744073709551614", 3_600_000],
])("WATCHDOG_USEC=%s: a message every %d ms", (microseconds, intervalMs) => {
  expect(intervalOf(microseconds)).toEqual({ intervalMs, warnings: [] });
});

test.each(["1", "999", "19999"])(
  "WATCHDOG_USEC=%s is too short: a warning, and at most 100 messages a second",
  (microseconds) => {
    expect(intervalOf(microseconds)).toEqual({ intervalMs: 10, warnings: ["watchdog timeout too short"] });
  },
);

test.each(["abc", "-5", "1e6", "0", "0x10", "1.5", "NaN", "Infinity", `1${"0".repeat(400)}`])(
  "WATCHDOG_USEC=%s is no timeout: a warning, and no messages",
  (microseconds) => {
    expect(intervalOf(microseconds)).toEqual({ intervalMs: undefined, warnings: ["watchdog not notified"] });
  },
);

test("no watchdog, or the watchdog of another process: no messages", () => {
  const none = { intervalMs: undefined, warnings: [] };
  expect([intervalOf(undefined), intervalOf(""), intervalOf("1", "1")]).toEqual([none, none, none]);
  expect(intervalOf("30000000", String(process.pid))).toEqual({ intervalMs: 15_000, warnings: [] });
});

const SKIPPED = process.platform === "linux" ? DatagramReceiver.missing() : "skipped: Unix datagrams need Linux";

describe.skipIf(SKIPPED !== undefined)(SKIPPED ?? "with a timeout of 60 days", () => {
  test("no watchdog message is sent in the first seconds", async () => {
    const address = `@sallyport-watchdog-${process.pid}`;
    await using receiver = await DatagramReceiver.open(address);
    const variables = { notifySocket: address, watchdogMicroseconds: "5184000000000", watchdogPid: undefined };
    const manager = new ServiceManager(variables, SILENT_LOG);
    let checks = 0;
    manager.started(() => [`check ${++checks}`]);
    await receiver.until((received) => received.includes("STATUS=Not ready: check 3\n"), "two status messages");
    manager.replacedBy(process.pid);
    expect(receiver.received.filter((text) => text.startsWith("WATCHDOG"))).toEqual([]);
  });
});
