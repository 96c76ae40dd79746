import { expect, test } from "bun:test";
import { DatagramReceiver } from "../support/datagram-receiver.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** What the gateway tells systemd (sd_notify(3)), as systemd receives it. */

const SKIPPED = process.platform === "linux" ? DatagramReceiver.missing() : "skipped: sd_notify needs Linux";
const WATCHDOG_MS = 800;

test.skipIf(SKIPPED !== undefined).each([1, 2])(
  SKIPPED ??
    "the service manager learns of the start, a reload, the new main process of an upgrade, and the stop; processes: %i",
  async (workers) => {
    const address = `@sallyport-upgrade-${process.pid}-${workers}`;
    await using manager = await DatagramReceiver.open(address);
    const watchdog = { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) };
    const gateway = await UpgradableGateway.start(
      { "workers.count": String(workers) },
      { env: { NOTIFY_SOCKET: address, ...watchdog } },
    );
    const { received } = manager;
    const since = (from: number) => received.slice(from).filter((text) => !text.startsWith("WATCHDOG"));
    const pings = (from: number) => received.slice(from).filter((text) => text === "WATCHDOG=1\n").length;

    expect(received[0]).toStartWith("READY=1\nSTATUS=");
    await manager.until(() => received.some((text) => text.includes("STATUS=Ready\n")), "the status");
    const startedMs = performance.now();
    await manager.until(() => pings(0) >= 6, "the watchdog");
    expect(performance.now() - startedMs).toBeLessThan(6 * WATCHDOG_MS);

    let mark = received.length;
    gateway.signal("SIGHUP");
    await manager.until(() => since(mark).length === 2, "the reload");
    expect(since(mark)).toEqual([expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+\n$/), "READY=1\n"]);

    mark = received.length;
    await gateway.upgraded();
    const [mainPid, ready] = since(mark);
    expect(mainPid).toBe(`MAINPID=${gateway.pid}\n`);
    expect(ready).toBe("READY=1\nSTATUS=Ready\n");
    mark = received.length;
    await manager.until(() => pings(mark) >= 3, "the watchdog of the new process");
    expect(since(mark)).toEqual([]);

    gateway.signal("SIGTERM");
    await manager.until(() => since(mark).length > 0, "the stop");
    expect(since(mark)).toEqual(["STOPPING=1\nSTATUS=Stopping\n"]);
    await gateway.close();
  },
  90_000,
);

test.skipIf(SKIPPED !== undefined)(
  SKIPPED ?? "a gateway whose manager does not listen, or that has a wrong address, works",
  async () => {
    const gateway = await UpgradableGateway.start({}, { env: { NOTIFY_SOCKET: "relative" } });
    await until(() => gateway.lines("service manager not notified").length === 1, "the warning");
    expect((await gateway.upgrade()).code).toBe(0);
    await gateway.close();
    const silent = await UpgradableGateway.start({}, { env: { NOTIFY_SOCKET: `@sallyport-nobody-${process.pid}` } });
    expect((await silent.upgrade()).code).toBe(0);
    await silent.close();
  },
  90_000,
);
