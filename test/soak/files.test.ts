import { expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { until } from "../support/until.ts";
import { openFiles, TO_CLIENTS, total } from "./files.ts";

test("an open connection is counted as one to a client until it is closed", async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const count = () => openFiles(process.pid, { clients: [port], backend: [] });
  const before = total(count());
  expect(count()[TO_CLIENTS]).toBeUndefined();
  const client = connect(port, "127.0.0.1");
  await until(() => accepted.length === 1, "the connection");
  expect(count()[TO_CLIENTS]).toBe(1);
  expect(total(count())).toBeGreaterThan(before);
  client.destroy();
  await until(() => count()[TO_CLIENTS] === undefined, "the connection to be closed");
  server.close();
});
