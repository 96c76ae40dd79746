import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNotifySocket } from "../../../../src/transport/linux/notify-socket.ts";
import { DatagramReceiver } from "../../../support/datagram-receiver.ts";

const SKIPPED = process.platform === "linux" ? DatagramReceiver.missing() : "skipped: Unix datagrams need Linux";

describe.skipIf(SKIPPED !== undefined)(SKIPPED ?? "a notify socket", () => {
  test.each(["a path", "a name in the abstract namespace"])("sends whole datagrams to %s", async (kind) => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-notify-"));
    const address = kind === "a path" ? join(folder, "notify") : `@sallyport-test-${process.pid}`;
    await using receiver = await DatagramReceiver.open(address);
    const socket = openNotifySocket(address);
    expect(socket.send("READY=1\nSTATUS=up ä\n")).toBe(true);
    expect(socket.send("WATCHDOG=1")).toBe(true);
    await receiver.until((received) => received.length === 2, "two datagrams");
    expect(receiver.received).toEqual(["READY=1\nSTATUS=up ä\n", "WATCHDOG=1"]);
    socket.close();
    rmSync(folder, { recursive: true });
  });

  test("reports that nobody receives, and does not throw", () => {
    const socket = openNotifySocket(`@sallyport-nobody-${process.pid}`);
    expect(socket.send("READY=1")).toBe(false);
    socket.close();
  });
});

test.each(["", "@", "relative", "vsock:2:1234", `/${"a".repeat(200)}`, "/a\0b"])("refuses the address %j", (address) => {
  expect(() => openNotifySocket(address)).toThrow("Unix socket");
});
