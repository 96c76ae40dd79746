import { expect, test } from "bun:test";
import { CLEARTEXT_KINDS, KINDS } from "../soak/disconnect-kinds.ts";
import { TO_CLIENTS } from "../soak/files.ts";
import { openTestbed, SETTINGS, type Testbed } from "../soak/testbed.ts";
import { until } from "../support/until.ts";

/** Clients that disconnect abruptly leave no stream and no file descriptor. `bun run soak` does the same 100,000 times and measures memory. */

const CYCLES = 20;
/** About twenty kinds, each within the timeout of `until`. */
const TIMEOUT_MS = 60_000;

/** No heartbeats: a failed heartbeat would also end the stream, but the disconnect itself must be detected. */
const NO_HEARTBEAT = { "streams.heartbeat_ms": "600000" };

const streams = ({ gateway }: Testbed) => gateway.ask("metric", "sallyport_streams");

test.each(SETTINGS)(
  "$name: abrupt disconnects leave no stream and no file descriptor",
  async (setting) => {
    const testbed = await openTestbed(setting, undefined, NO_HEARTBEAT);
    try {
      let opened = 0;
      for (const { name } of setting.tls ? KINDS : CLEARTEXT_KINDS) {
        opened += (await testbed.clients.ask("disconnect", { name, cycles: CYCLES })).streams;
        await until(async () => (await streams(testbed)) === 0, `the streams to end; ${name}`);
        await until(() => testbed.openFiles()[TO_CLIENTS] === undefined, `the files to be closed; ${name}`);
      }
      expect(opened).toBeGreaterThan(CYCLES);
      expect(await testbed.gateway.ask("metric", "sallyport_streams_ended_total")).toBe(opened);
    } finally {
      await testbed.close();
    }
  },
  TIMEOUT_MS,
);
