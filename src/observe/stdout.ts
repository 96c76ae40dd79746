import type { LogSink } from "./log.ts";

/** Standard output: never blocks the event loop, and rejects where the reader is gone (EPIPE) or the disk is full. */
export const stdoutSink: LogSink = (batch) => Bun.write(Bun.stdout, batch);
