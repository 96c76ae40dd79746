import type { LogSink } from "./log.ts";

/**
 * Standard output. Rejects where the reader is gone (EPIPE) or the disk is full.
 *
 * Not `Bun.write(Bun.stdout)`: Bun 1.4.5 blocks the event loop there while a pipe is full, or fails with EAGAIN. A `FileSink` waits.
 */
export const stdoutSink: LogSink = async (batch) => {
  writer ??= Bun.stdout.writer();
  await writer.write(batch);
  await writer.flush();
};

/** Made with the first line: commands that log nothing leave their standard output as it is. */
let writer: ReturnType<typeof Bun.stdout.writer> | undefined;
