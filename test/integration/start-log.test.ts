import { describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { selfSigned } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { openWorld, type World } from "../support/world.ts";

/** The start is logged with the bound addresses, and with a warning if the admin listener is exposed. */

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6"));

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const linesOf = (world: World): LogLine[] =>
  world
    .logged()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

async function start(overrides: Parameters<typeof openWorld>[0]) {
  const world = await openWorld(overrides);
  await until(() => world.logged().includes("gateway started"), "the gateway to start");
  const lines = linesOf(world);
  await world.close();
  const up = lines.find(({ msg }) => msg === "gateway started") ?? expect.unreachable();
  const warnings = lines.filter(({ level, msg }) => level === "warn" && msg.includes("outside loopback"));
  return { up, warnings };
}

const at = (host: string) => ({ host, port: 0 });

describe.each([
  { host: "127.0.0.1", shown: /^http:\/\/127\.0\.0\.1:\d+$/, isOpen: false, needsIpv6: false },
  { host: "localhost", shown: /^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/, isOpen: false, needsIpv6: false },
  { host: "127.0.0.9", shown: /^http:\/\/127\.0\.0\.9:\d+$/, isOpen: false, needsIpv6: false },
  { host: "0.0.0.0", shown: /^http:\/\/0\.0\.0\.0:\d+$/, isOpen: true, needsIpv6: false },
  { host: "::1", shown: /^http:\/\/\[::1\]:\d+$/, isOpen: false, needsIpv6: true },
  { host: "::", shown: /^http:\/\/\[::\]:\d+$/, isOpen: true, needsIpv6: true },
])("listening on $host", ({ host, shown, isOpen, needsIpv6 }) => {
  const skipped = needsIpv6 && !hasIpv6;
  test.skipIf(skipped)(`the log shows the bound addresses${skipped ? " (skipped: no IPv6 here)" : ""}`, async () => {
    const listen = { "edge.listen": at(host), "grpc.listen": at(host), "admin.listen": at(host) };
    const { up, warnings } = await start(listen);
    for (const listener of [up["edge"], up["grpc"], up["admin"]]) expect(listener).toMatch(shown);
    expect(warnings).toHaveLength(isOpen ? 1 : 0);
    if (isOpen)
      expect(warnings[0]).toMatchObject({ setting: "admin.listen", address: String(up["admin"]).replace("http://", "") });
  });
});

test("with one port and TLS, the log shows the bound addresses, and a loopback admin listener causes no warning", async () => {
  const { certificateFile, keyFile } = await selfSigned("start-log.test");
  const { up, warnings } = await start({
    "edge.listen": at("0.0.0.0"),
    "edge.grpc": "same-port",
    "tls.certificate_file": certificateFile,
    "tls.key_file": keyFile,
  });
  expect(up["edge"]).toMatch(/^https:\/\/0\.0\.0\.0:\d+$/);
  expect(up["grpc"]).toBe(up["edge"]);
  expect(up["admin"]).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(warnings).toEqual([]);
});

test("a route that keeps answers for a shorter time than clients repeat a command causes a warning", async () => {
  const route = { method: "POST", path: "/api/v1/user/x" } as const;
  const world = await openWorld({
    routes: [
      { ...route, message_type: "a.short", keep_answer_ms: 59_999 },
      { ...route, message_type: "a.long", keep_answer_ms: 60_000 },
      { ...route, message_type: "a.none" },
    ],
  });
  await until(() => world.logged().includes("gateway started"), "the gateway to start");
  const warnings = linesOf(world).filter(({ msg }) => msg.startsWith("answers kept"));
  await world.close();
  expect(warnings).toMatchObject([
    {
      msg: "answers kept for less than the retries of clients",
      message_type: "a.short",
      keep_answer_ms: 59_999,
      expected_min_ms: 60_000,
    },
  ]);
});
