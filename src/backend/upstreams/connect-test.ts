/**
 * Opens a TCP connection and closes it. Resolves to true if it was established within `timeoutMs`. Never rejects.
 *
 * `fetch` of Bun 1.4.5 has no timeout for the connection alone, and its errors do not show whether the request was sent. So this
 * test runs before the request. If it fails, no request was sent.
 */
export function connectTest(hostname: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, false);
    const done = (isOpen: boolean) => {
      clearTimeout(timer);
      resolve(isOpen);
    };
    const socket = {
      open(opened: Bun.Socket) {
        opened.end();
        done(true);
      },
      connectError: () => done(false),
      error: () => done(false),
      data() {},
    };
    Bun.connect({ hostname, port, socket }).then(
      () => {},
      () => done(false),
    );
  });
}
