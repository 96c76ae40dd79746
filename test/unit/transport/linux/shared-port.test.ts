import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { SharedPort } from "../../../../src/transport/linux/shared-port.ts";
import { ask, LocalServers, on, portOf } from "../../../support/local-servers.ts";
import { RawHttp1 } from "../../../support/raw-http.ts";

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: SO_REUSEPORT is shared by processes on Linux only";

const servers = new LocalServers();
afterEach(() => servers.stop());

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a port", () => {
  test("is exclusive until it is shared, and then only for those that share it too", async () => {
    const port = portOf(servers.serve("first"));
    expect(() => servers.serve("second", { port, reusePort: true })).toThrow("in use");
    new SharedPort(on(port)).close();
    servers.serve("second", { port, reusePort: true });
    const answers = new Set<string>();
    for (let n = 0; n < 100 && answers.size < 2; n++) answers.add(await ask(port));
    expect([...answers].sort()).toEqual(["first", "second"]);
    expect(() => servers.serve("stranger", { port })).toThrow("in use");
  });

  test("that accepts no more leaves its connections open, and new ones go to the other server", async () => {
    const first = servers.serve("first");
    const port = portOf(first);
    const open = await RawHttp1.open(`http://127.0.0.1:${port}`);
    const request = "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";
    open.send(request);
    expect(String((await open.answer())?.body)).toBe("first");
    const shared = new SharedPort(on(port));
    servers.serve("second", { port, reusePort: true });
    shared.stopAccepting();
    shared.close();
    open.send(request);
    expect(String((await open.answer())?.body)).toBe("first");
    open.close();
    await first.stop(false);
  });

  test("on one address leaves a listener on another address with the same port alone", async () => {
    const first = servers.serve("first");
    const port = portOf(first);
    const other = Bun.serve({ hostname: "127.0.0.2", port, development: false, fetch: () => new Response("other") });
    servers.add(other);
    const shared = new SharedPort(on(port));
    shared.stopAccepting();
    shared.close();
    await expect(ask(port)).rejects.toThrow();
    expect(await (await fetch(`http://127.0.0.2:${port}/`)).text()).toBe("other");
  });

  test("closes although the process can open no more files", async () => {
    const script = `
      import { openSync } from "node:fs";
      import { SharedPort } from ${JSON.stringify(join(import.meta.dir, "../../../../src/transport/linux/shared-port.ts"))};
      const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
      const shared = new SharedPort({ host: "127.0.0.1", port: server.port });
      let isFull = false;
      for (let n = 0; n < 2000 && !isFull; n++) {
        try { openSync("/dev/null", "r"); } catch (error) { isFull = error.code === "EMFILE"; }
      }
      shared.stopAccepting();
      const opened = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } }).then(() => "open", () => "closed");
      console.log(isFull, opened);
      process.exit();
    `;
    const child = Bun.spawn(["sh", "-c", 'ulimit -n 200; exec "$0" -e "$1"', process.execPath, script], { stderr: "inherit" });
    expect(await new Response(child.stdout).text()).toBe("true closed\n");
  });

  test("that nobody listens on cannot be shared", () => {
    expect(() => new SharedPort(on(1))).toThrow("nothing listens");
  });
});
