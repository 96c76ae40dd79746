import { expect, test } from "bun:test";
import { TO_CLIENTS } from "../soak/files.ts";
import { CLEARTEXT_KINDS, KINDS } from "../soak/kinds.ts";
import { openStage, SETTINGS, type Stage } from "../soak/stage.ts";
import { until } from "../support/until.ts";

/** Clients that leave without a word: nothing of them may stay. By the hundred thousand, and with memory looked at: `bun run soak`. */

const CYCLES = 20;
/** Some twenty kinds, each within the time that `until` allows: as long as a busy machine may take. */
const TIMEOUT_MS = 60_000;

/** A heartbeat that cannot be written would end the stream as well: that a client has gone is to be noticed without. */
const SILENT = { "streams.heartbeat_ms": "600000" };

const streams = ({ gateway }: Stage) => gateway.ask("metric", "sallyport_streams");

test.each(SETTINGS)(
  "$name: no stream and no file stays behind, however clients leave",
  async (setting) => {
    const stage = await openStage(setting, undefined, SILENT);
    try {
      let opened = 0;
      for (const { name } of setting.tls ? KINDS : CLEARTEXT_KINDS) {
        opened += (await stage.clients.ask("leave", { name, cycles: CYCLES })).streams;
        await until(async () => (await streams(stage)) === 0, `the streams to be gone; ${name}`);
        await until(() => stage.openFiles()[TO_CLIENTS] === undefined, `the files to be closed; ${name}`);
      }
      expect(opened).toBeGreaterThan(CYCLES);
      expect(await stage.gateway.ask("metric", "sallyport_streams_ended_total")).toBe(opened);
    } finally {
      await stage.close();
    }
  },
  TIMEOUT_MS,
);
