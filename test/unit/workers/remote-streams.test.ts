import { expect, test } from "bun:test";
import { RemoteStreams } from "../../../src/workers/remote-streams.ts";
import { ManualClock } from "../../support/manual-clock.ts";

test("the delay of SHUTTING_DOWN depends on the streams of the whole gateway, not on those of the worker", () => {
  const streams = new RemoteStreams({
    send: () => {},
    outbox: { bytesMax: 1000, messagesMax: 10 },
    clock: new ManualClock(),
    random: () => 0.5,
    onDropped: () => {},
  });
  streams.noteShutdown(10_000);
  expect(streams.shuttingDown().retryAfterMs).toBe(100 + 5000);
});
