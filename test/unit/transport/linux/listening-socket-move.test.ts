import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { moveListeningSocket } from "../../../../src/transport/linux/listening-socket-move.ts";
import { setUserTimeout } from "../../../../src/transport/linux/user-timeout.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { ask, LocalServers, on, portOf } from "../../../support/local-servers.ts";
import { RawHttp1 } from "../../../support/raw-http.ts";

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: epoll exists on Linux only";
const REQUEST = "GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
const WAITING = 50;

const servers = new LocalServers();
afterEach(() => servers.stop());

/** Connects at once, so that the connection waits in the kernel until this process returns to its event loop. */
function connectAndAsk(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let received = "";
  const opened = Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write(REQUEST),
      data(_, bytes) {
        received += bytes.toString();
      },
      close: () => resolve(received.split("\r\n\r\n")[1] ?? ""),
      error: (_, error) => reject(error),
    },
  });
  opened.catch(reject);
  return promise;
}

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a listening socket that moves to another server", () => {
  test("keeps the connections that are not accepted yet: the other server answers them all", async () => {
    const [first, second] = [servers.serve("first"), servers.serve("second")];
    const port = portOf(first);
    const answers = Array.from({ length: WAITING }, () => connectAndAsk(port));
    moveListeningSocket(on(port), on(portOf(second)));
    await first.stop(false);
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["second"]));
    expect(await ask(port)).toBe("second");
  });

  test("leaves the accepted connections with the first server, and closes the port with which the other was opened", async () => {
    const [first, second] = [servers.serve("first"), servers.serve("second")];
    const [port, otherPort] = [portOf(first), portOf(second)];
    const open = await RawHttp1.open(`http://127.0.0.1:${port}`);
    open.send("GET / HTTP/1.1\r\nHost: gateway\r\n\r\n");
    expect(String((await open.answer())?.body)).toBe("first");
    moveListeningSocket(on(port), on(otherPort));
    open.send(REQUEST);
    expect(String((await open.answer())?.body)).toBe("first");
    await expect(ask(otherPort)).rejects.toThrow();
    open.close();
  });

  test("moves again and again, and leaves no file open", async () => {
    let current = servers.serve("0");
    const port = portOf(current);
    const openFiles = () => readdirSync("/proc/self/fd").length;
    const before = openFiles();
    for (let n = 1; n <= 20; n++) {
      const next = servers.serve(String(n));
      moveListeningSocket(on(port), on(portOf(next)));
      await current.stop(true);
      current = next;
      expect(await ask(port)).toBe(String(n));
    }
    expect(openFiles()).toBeLessThan(before + 5);
    setUserTimeout(on(port), 1000);
    await current.stop(true);
    await expect(ask(port)).rejects.toThrow();
  });

  test("stays where it is if there is no such socket", async () => {
    const port = portOf(servers.serve("first"));
    expect(() => moveListeningSocket(on(port), on(1))).toThrow("nothing listens on 127.0.0.1:1");
    expect(() => moveListeningSocket(on(1), on(port))).toThrow("nothing listens on 127.0.0.1:1");
    expect(await ask(port)).toBe("first");
  });

  // When this test fails, a renewed certificate no longer needs a new server.
  test("is needed because Bun's server.reload() keeps the old certificate", async () => {
    const [first, second] = [await selfSigned("first.test"), await selfSigned("second.test")];
    const server = servers.serve("text", { tls: { cert: first.certificate, key: first.key } });
    Reflect.apply(server.reload, server, [{ fetch: () => new Response(), tls: { cert: second.certificate, key: second.key } }]);
    const ask = fetch(`https://127.0.0.1:${server.port}/`, {
      tls: { ca: second.certificate, checkServerIdentity: () => undefined },
    });
    await expect(ask).rejects.toThrow("certificate");
  });
});
