import type { LogSink } from "./log.ts";

/**
 * Writes to standard output. Rejects if the reader has closed the pipe (EPIPE) or the disk is full.
 *
 * Uses a `FileSink`, because it does not block the event loop while a pipe is full. `Bun.write(Bun.stdout)` of Bun 1.4.5
 * blocks, or fails with EAGAIN.
 */
export const stdoutSink: LogSink = async (batch) => {
  writer ??= Bun.stdout.writer();
  await writer.write(batch);
  await writer.flush();
};

/** The writer of standard output. It is created on the first write, so commands without a log do not create it. */
let writer: ReturnType<typeof Bun.stdout.writer> | undefined;
