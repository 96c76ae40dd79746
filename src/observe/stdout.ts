import type { LogSink } from "./log.ts";

/**
 * Writes to standard output. Rejects if the reader has closed the pipe (EPIPE) or the disk is full.
 *
 * `Bun.write(Bun.stdout)` of Bun 1.4.5 blocks the event loop while a pipe is full, or fails with EAGAIN. A `FileSink` waits without
 * blocking.
 */
export const stdoutSink: LogSink = async (batch) => {
  writer ??= Bun.stdout.writer();
  await writer.write(batch);
  await writer.flush();
};

/** Created at the first line, so that commands without a log do not change standard output. */
let writer: ReturnType<typeof Bun.stdout.writer> | undefined;
