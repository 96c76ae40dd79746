import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { CommandLoad, libraryCalls, pollCalls, ResumingStream, rawCalls } from "../support/upgrade-load.ts";

/**
 * Upgrades under load: no call fails, every stream resumes whole, and no request is refused for having been signed before.
 * `SALLYPORT_UPGRADES` sets the number of upgrades of each gateway.
 */

const UPGRADES = Number(process.env["SALLYPORT_UPGRADES"] ?? 2);
const STREAMS = 10;
const PUSH_MS = 20;
const POLL_MS = 3000;
/** A long run uses the default of `serve`. */
const SPREAD_MS = UPGRADES > 10 ? "3000" : "300";
const MIGRATION = "/proc/sys/net/ipv4/tcp_migrate_req";

/** The value of tcp_migrate_req before the test; `undefined` if it cannot be set. */
const before = setMigration("1");
const SKIPPED = before === undefined ? "skipped: net.ipv4.tcp_migrate_req cannot be set here" : undefined;
setMigration(before);

function setMigration(value: string | undefined): string | undefined {
  try {
    const old = readFileSync(MIGRATION, "latin1").trim();
    if (value !== undefined) writeFileSync(MIGRATION, value);
    return old;
  } catch {
    return undefined;
  }
}

/** Whether a log line tells of a refusal that is not part of an upgrade. */
const isRefused = ({ reason }: { readonly [field: string]: unknown }) => reason !== undefined && reason !== "SHUTTING_DOWN";

describe.skipIf(SKIPPED !== undefined)(SKIPPED ?? `${UPGRADES} upgrades under load`, () => {
  beforeAll(() => void setMigration("1"));
  afterAll(() => void setMigration(before));

  test.each([
    { name: "one process", settings: {} },
    { name: "one port", settings: { "edge.grpc": "same-port" } },
    { name: "two workers", settings: { "workers.count": "2" } },
    { name: "two workers, only the workers, one after the other", settings: { "workers.count": "2" }, areWorkers: true },
  ])(
    "$name",
    async ({ settings, areWorkers = false }) => {
      const gateway = await UpgradableGateway.start({ ...settings, "shutdown.spread_ms": SPREAD_MS });
      const device = await gateway.login();
      const { edgeUrl, grpcUrl } = gateway;
      const open = () => createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" });
      const loads = {
        "one connection per request": new CommandLoad(rawCalls(edgeUrl, device, false)),
        "HTTP/1.1, kept alive": new CommandLoad(rawCalls(edgeUrl, device, true)),
        "waiting polls": new CommandLoad(pollCalls(open(), await gateway.login(), POLL_MS)),
        "gRPC over HTTP/2": new CommandLoad(libraryCalls(createGrpcTransport({ baseUrl: grpcUrl }), device)),
      };
      const streams = Array.from({ length: STREAMS }, () => new ResumingStream(open, device));
      let pushed = 0;
      let isPushing = true;
      const pushing = (async () => {
        for (; isPushing; await Bun.sleep(PUSH_MS)) await gateway.push(device, pushed++);
      })();

      for (let n = 0; n < UPGRADES; n++) await (areWorkers ? gateway.replacedWorkers() : gateway.upgraded());

      isPushing = false;
      await pushing;
      await Promise.all(Object.values(loads).map((load) => load.stop()));
      await until(() => streams.every(({ last }) => last === pushed - 1), "the last event on all streams");
      await Promise.all(streams.map((stream) => stream.stop()));
      const outcomes = Object.fromEntries(Object.entries(loads).map(([name, load]) => [name, Object.keys(load.outcomes)]));
      const calls = Object.fromEntries(Object.entries(loads).map(([name, load]) => [name, load.outcomes]));
      const resumes = streams.reduce((sum, each) => sum + each.resumes, 0);
      if (UPGRADES > 10)
        console.log({ upgrades: UPGRADES, calls, resumes, pushed, refusals: gateway.lines("RPC finished").filter(isRefused) });
      expect({ outcomes, calls }).toEqual({
        outcomes: Object.fromEntries(Object.keys(loads).map((name) => [name, ["ok"]])),
        calls,
      });
      expect(streams.map(({ partial }) => partial)).toEqual(streams.map(() => 0));
      expect(resumes).toBeGreaterThanOrEqual(UPGRADES * STREAMS);
      for (const { received } of streams) expect(received).toEqual([...received].sort((a, b) => Number(a) - Number(b)));
      for (const { received } of streams) expect(received.at(-1)).toBe(pushed - 1);
      for (const { received } of streams) expect(received).toHaveLength(pushed - Number(received[0]));
      await gateway.close();
    },
    120_000 + UPGRADES * 10_000,
  );
});
