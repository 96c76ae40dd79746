import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { listenOn } from "../../../../src/core/listen-on.ts";
import { setUserTimeout } from "../../../../src/transport/linux/user-timeout.ts";

/** test/integration/stalled-clients.test.ts shows that the timeout closes connections. */

test("a port without a listener is an error", async () => {
  const server = createServer();
  const { bound } = await listenOn(server, { host: "127.0.0.1", port: 0 });
  setUserTimeout(bound, 1000);
  await new Promise((resolve) => server.close(resolve));
  expect(() => setUserTimeout(bound, 1000)).toThrow(`nothing listens on 127.0.0.1:${bound.port}`);
});

test("a listener on an IPv6 address is found by its address", async () => {
  const server = createServer();
  const { bound } = await listenOn(server, { host: "::1", port: 0 });
  expect(() => setUserTimeout(bound, 1000)).not.toThrow();
  server.close();
});

test("setUserTimeout leaves no fd open", async () => {
  const server = createServer();
  const { bound } = await listenOn(server, { host: "127.0.0.1", port: 0 });
  setUserTimeout(bound, 1000);
  const before = readdirSync("/proc/self/fd").length;
  for (let n = 0; n < 20; n++) setUserTimeout(bound, 1000);
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
  server.close();
});
