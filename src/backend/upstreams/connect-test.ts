/**
 * Opens a TCP connection and closes it. Resolves to true if it was established within `timeoutMs`. Never rejects.
 *
 * `fetch` of Bun 1.4.5 has no timeout for the connection alone, and does not tell whether a request was sent. A test before the
 * request gives both.
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
