import { errorCode, messageOf } from "../../core/cause.ts";

/**
 * Opens a TCP connection and closes it. Resolves to `undefined` if it was established within `timeoutMs`, else to the problem. Never
 * rejects.
 *
 * `fetch` of Bun 1.4.5 has no timeout for the connection alone, and its errors do not show whether the request was sent. So this
 * test runs before the request. If it fails, no request was sent.
 */
export function connectTest(hostname: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, "no connection within backend.connect_timeout_ms");
    const done = (problem: string | undefined) => {
      clearTimeout(timer);
      resolve(problem);
    };
    const failed = (error: unknown) => done(`cannot connect: ${errorCode(error) || messageOf(error)}`);
    const socket = {
      open(opened: Bun.Socket) {
        opened.end();
        done(undefined);
      },
      connectError: (_: unknown, error: Error) => failed(error),
      error: (_: unknown, error: Error) => failed(error),
      data() {},
    };
    Bun.connect({ hostname, port, socket }).then(() => {}, failed);
  });
}
