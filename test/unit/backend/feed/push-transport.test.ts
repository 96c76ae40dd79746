import { expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { openPushLink } from "../../../../src/backend/feed/push-transport.ts";
import { rawServer } from "../support/raw-server.ts";

async function failureOf(connecting: Promise<void>): Promise<string> {
  return connecting.then(
    () => "connected",
    (thrown) => (thrown instanceof ConnectError ? `${Code[thrown.code]} ${thrown.rawMessage}` : String(thrown)),
  );
}

test("a backend that takes a connection and then says nothing costs no more than the timeout", async () => {
  await using silent = await rawServer(() => {});
  const link = openPushLink({ url: `https://127.0.0.1:${silent.port}`, protocol: "grpc", connectTimeoutMs: 30 });
  expect(await failureOf(link.connect())).toBe("Unavailable the backend did not take the connection in time");
  expect(await failureOf(link.connect())).toStartWith("Unavailable");
});

test("a connection still being made ends when the link is closed", async () => {
  await using silent = await rawServer(() => {});
  const link = openPushLink({ url: `https://127.0.0.1:${silent.port}`, protocol: "connect" });
  const connecting = failureOf(link.connect());
  link.close();
  expect(await connecting).not.toBe("connected");
});

test("nobody there is said as such", async () => {
  expect(await failureOf(openPushLink({ url: "http://127.0.0.1:1", protocol: "grpc-web" }).connect())).toContain(
    "ECONNREFUSED",
  );
});
