import { afterEach, describe, expect, test } from "bun:test";
import { sharePort, stopAccepting } from "../../../../src/transport/linux/port-sharing.ts";
import { RawHttp1 } from "../../../support/raw-http.ts";

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: SO_REUSEPORT is shared by processes on Linux only";

let servers: ReturnType<typeof Bun.serve>[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop(true)));
  servers = [];
});

function serve(text: string, port = 0, reusePort = false) {
  const server = Bun.serve({ hostname: "127.0.0.1", port, reusePort, development: false, fetch: () => new Response(text) });
  servers.push(server);
  return server;
}

const portOf = ({ port = 0 }: ReturnType<typeof Bun.serve>) => port;
const ask = (port: number) => fetch(`http://127.0.0.1:${port}/`, { keepalive: false }).then((answer) => answer.text());

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a port", () => {
  test("is exclusive until it is shared, and then only for those that share it too", async () => {
    const port = portOf(serve("first"));
    expect(() => serve("second", port, true)).toThrow("in use");
    sharePort(port);
    serve("second", port, true);
    const answers = new Set<string>();
    for (let n = 0; n < 100 && answers.size < 2; n++) answers.add(await ask(port));
    expect([...answers].sort()).toEqual(["first", "second"]);
    expect(() => serve("stranger", port, false)).toThrow("in use");
  });

  test("that accepts no more leaves its connections open, and new ones go to the other server", async () => {
    const first = serve("first");
    const port = portOf(first);
    const open = await RawHttp1.open(`http://127.0.0.1:${port}`);
    const request = "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";
    open.send(request);
    expect(String((await open.answer())?.body)).toBe("first");
    sharePort(port);
    serve("second", port, true);
    stopAccepting(port);
    expect(() => stopAccepting(1)).toThrow("nothing listens");
    open.send(request);
    expect(String((await open.answer())?.body)).toBe("first");
    open.close();
    await first.stop(false);
  });

  test("that nobody listens on cannot be shared", () => {
    expect(() => sharePort(1)).toThrow("nothing listens");
  });
});
