import { expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { until } from "../support/until.ts";
import { openFiles, TO_CLIENTS, total } from "./files.ts";

test("a connection that is not closed is found, and known for a client's", async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const look = () => openFiles(process.pid, { clients: [port], backend: [] });
  const before = total(look());
  expect(look()[TO_CLIENTS]).toBeUndefined();
  const client = connect(port, "127.0.0.1");
  await until(() => accepted.length === 1, "the connection");
  expect(look()[TO_CLIENTS]).toBe(1);
  expect(total(look())).toBeGreaterThan(before);
  client.destroy();
  await until(() => look()[TO_CLIENTS] === undefined, "the connection to be closed");
  server.close();
});
