import type { LogSink } from "./log.ts";

/**
 * Writes to standard output. Rejects if the reader has closed the pipe (EPIPE) or the disk is full.
 *
 * It uses a `FileSink`, which waits without blocking while a pipe is full. While a pipe is full, `Bun.write(Bun.stdout)` of
 * Bun 1.4.5 blocks the event loop or fails with EAGAIN.
 */
export const stdoutSink: LogSink = async (batch) => {
  writer ??= Bun.stdout.writer();
  await writer.write(batch);
  await writer.flush();
};

/** The writer of standard output. It is created when the first line is written, so that it does not affect commands without a log. */
let writer: ReturnType<typeof Bun.stdout.writer> | undefined;
