import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { type SeenAnswer, send, signKeyed } from "../support/keyed-commands.ts";
import { Poller, typesOf } from "../support/poller.ts";
import { receivedSequence } from "../support/received-sequence.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** `sallyport upgrade --workers`: new worker processes, one after the other, under the same supervisor. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: workers need Linux";
const WAIT_MS_MAX = 20_000;
const TEST_MS_MAX = 90_000;
const TWO = { "workers.count": "2" };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

async function start(...args: Parameters<typeof UpgradableGateway.start>) {
  const gateway = await UpgradableGateway.start(...args);
  opened.defer(() => gateway.close());
  return gateway;
}

/** The process ids of the workers, oldest first. */
function workersOf({ pid }: UpgradableGateway): number[] {
  const children = Bun.spawnSync(["ps", "--ppid", String(pid), "-o", "pid=", "--sort", "start_time"]).stdout.toString();
  const pids = children.trim().split(/\s+/).map(Number);
  // A new process has its parent's command line until it executes its own (vfork). Until then, its parent waits: a SIGSTOP would
  // stop both.
  return pids.filter((each) => commandLineOf(each) !== commandLineOf(pid));
}

function commandLineOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    // The process has ended.
    return undefined;
  }
}

const transportOf = ({ edgeUrl }: UpgradableGateway): Transport =>
  createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" });

/** Holds the answers to `user.profile.get` until `answer`. */
function slowProfile({ faults }: UpgradableGateway) {
  const answered = Promise.withResolvers<void>();
  let calls = 0;
  faults.on("/api/v1/user/profile", async () => {
    calls++;
    await answered.promise;
    return Response.json({});
  });
  return { calls: () => calls, answer: () => answered.resolve() };
}

/** The number of commands that all workers have counted, those included that have ended. */
async function commandsOf({ adminUrl }: UpgradableGateway): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith('sallyport_requests_total{rpc="ExecuteCommand"'));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function expectServing(gateway: UpgradableGateway): Promise<void> {
  const device = await gateway.login();
  for (let n = 0; n < 8; n++) {
    const request = await signKeyed(device, { messageType: "user.profile.get" });
    expect((await send(transportOf(gateway), request)).text).toStartWith("ok ");
  }
}

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a replacement of the workers", () => {
  test(
    "replaces each process; streams end with SHUTTING_DOWN over the spread and resume, waiting polls are answered",
    async () => {
      const gateway = await start({ ...TWO, "shutdown.spread_ms": "1000" });
      const before = workersOf(gateway);
      const device = await gateway.login();
      const streams: EventSubscriber[] = [];
      for (let n = 0; n < 8; n++) streams.push(await EventSubscriber.open(transportOf(gateway), device));
      const pollers = Array.from({ length: 8 }, () => new Poller(transportOf(gateway), device));
      const polls = pollers.map((poller) => poller.poll({ wait_ms: 20_000 }));
      await gateway.push(await gateway.login(), 0);

      expect(await gateway.upgrade("--workers")).toEqual({ code: 0, out: "workers replaced: 2\n", err: "" });
      expect(workersOf(gateway)).toHaveLength(2);
      expect(workersOf(gateway).filter((pid) => before.includes(pid))).toEqual([]);
      expect(gateway.lines("worker ended unexpectedly")).toEqual([]);
      const answered = gateway.lines("RPC finished").map(({ worker, pid }) => [[0, 1].includes(Number(worker)), typeof pid]);
      expect(new Set(answered.map(String))).toEqual(new Set(["true,number"]));
      await until(() => streams.every(({ ended }) => ended !== undefined), "the ends of the streams", WAIT_MS_MAX);
      expect(new Set(streams.map(({ ended }) => ended))).toEqual(new Set(["SHUTTING_DOWN"]));
      for (const answer of await Promise.all(polls)) expect(typesOf(answer)).toEqual(["gateway.server_time"]);

      await gateway.push(device, 1);
      const [stream = expect.unreachable()] = streams;
      const payload = JSON.stringify({ resume_after: stream.lastId });
      const resumed = await EventSubscriber.open(transportOf(gateway), device, payload);
      await until(() => receivedSequence(resumed).length === 1, "the missed event", WAIT_MS_MAX);
      expect(Object(resumed.payloads("gateway.server_time")[0]).resumed).toBe(true);
      expect(typesOf((await pollers[0]?.poll()) ?? [])).toEqual(["gateway.server_time", "test.number"]);
      resumed.leave();
    },
    TEST_MS_MAX,
  );

  test(
    "answers calls in flight, and keeps reservations and kept answers",
    async () => {
      const gateway = await start(TWO);
      const device = await gateway.login();
      const message = { messageType: "chat.message.send", payload: JSON.stringify({ room_id: "lobby", text: "hello" }) };
      const used = await signKeyed(device, { messageType: "user.profile.get" });
      expect((await send(transportOf(gateway), used)).text).toStartWith("ok ");
      const kept = await send(transportOf(gateway), await signKeyed(device, { ...message, idempotencyKey: "order-first" }));
      const streams: EventSubscriber[] = [];
      for (let n = 0; n < 16; n++) streams.push(await EventSubscriber.open(transportOf(gateway), device));
      const slow = slowProfile(gateway);
      const inFlight: Promise<SeenAnswer>[] = [];
      for (let n = 0; n < 8; n++) {
        inFlight.push(send(transportOf(gateway), await signKeyed(device, { messageType: "user.profile.get" })));
      }
      await until(() => slow.calls() === 8, "the calls in flight", WAIT_MS_MAX);
      const replaced = gateway.upgrade("--workers");
      await until(() => streams.some(({ ended }) => ended !== undefined), "the end of a stream", WAIT_MS_MAX);
      slow.answer();
      for (const { text } of await Promise.all(inFlight)) expect(text).toStartWith("ok ");
      expect((await replaced).code).toBe(0);
      expect((await send(transportOf(gateway), used)).text).toBe("REQUEST_REPLAYED");
      const again = await send(transportOf(gateway), await signKeyed(device, { ...message, idempotencyKey: "order-first" }));
      expect(again).toEqual({ text: kept.text, replayed: "true" });
      expect(await commandsOf(gateway)).toBe(12);
    },
    TEST_MS_MAX,
  );

  test.skipIf(NO_REDIS !== undefined)(
    "leaves the old workers in place if a new one cannot start, says why, and succeeds after a correction",
    async () => {
      const own = await selfSigned("redis.test");
      const { certificateFile, keyFile } = own;
      const redis = await TestRedis.start({ tls: { own } });
      opened.defer(() => redis.close());
      const gateway = await start({
        ...TWO,
        ...{ "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": "true" },
        ...{ "stores.redis.ca_file": certificateFile, "stores.redis.certificate_file": certificateFile },
        "stores.redis.key_file": keyFile,
      });
      const before = workersOf(gateway);
      renameSync(keyFile, `${keyFile}.moved`);
      const { code, out, err } = await gateway.upgrade("--workers");
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toStartWith("sallyport: upgrade failed: worker 0 was not replaced: ");
      expect(err).toContain("stores.redis.key_file");
      await until(() => gateway.lines("replacement of workers failed").length === 1, "the log line", WAIT_MS_MAX);
      expect(gateway.lines("replacement of workers failed")).toEqual([expect.objectContaining({ level: "error" })]);
      expect(workersOf(gateway)).toEqual(before);
      await expectServing(gateway);

      renameSync(`${keyFile}.moved`, keyFile);
      expect((await gateway.upgrade("--workers")).out).toBe("workers replaced: 2\n");
      await expectServing(gateway);
    },
    TEST_MS_MAX,
  );

  test(
    "leaves the old workers in place if a new one is not ready in time",
    async () => {
      const gateway = await start({ ...TWO, "upgrade.timeout_ms": "1000" });
      const before = workersOf(gateway);
      const replaced = gateway.upgrade("--workers");
      await until(() => workersOf(gateway).length === 3, "the new worker", WAIT_MS_MAX);
      const [next = expect.unreachable()] = workersOf(gateway).filter((pid) => !before.includes(pid));
      process.kill(next, "SIGSTOP");
      expect((await replaced).err).toContain("worker 0 was not replaced: the new worker was not ready after 1000 ms");
      await until(() => workersOf(gateway).length === 2, "the end of the new worker", WAIT_MS_MAX);
      expect(workersOf(gateway)).toEqual(before);
      await expectServing(gateway);
    },
    TEST_MS_MAX,
  );

  test(
    "succeeds if the old worker or the new one is killed meanwhile",
    async () => {
      const gateway = await start(TWO);
      const [oldest = expect.unreachable()] = workersOf(gateway);
      const replaced = gateway.upgrade("--workers");
      await until(() => workersOf(gateway).length === 3, "the first new worker", WAIT_MS_MAX);
      process.kill(oldest, "SIGKILL");
      expect((await replaced).code).toBe(0);
      await until(() => workersOf(gateway).length === 2, "two workers", WAIT_MS_MAX);
      const again = gateway.upgrade("--workers");
      await until(
        () => gateway.lines("worker replaced").length === 3,
        "the first worker of the second replacement",
        WAIT_MS_MAX,
      );
      process.kill(Number(gateway.lines("worker replaced").at(-1)?.["new_pid"]), "SIGKILL");
      expect((await again).code).toBe(0);
      await until(() => gateway.lines("worker restarted").length >= 1, "the restart", WAIT_MS_MAX);
      await until(() => workersOf(gateway).length === 2, "two workers", WAIT_MS_MAX);
      await expectServing(gateway);
    },
    TEST_MS_MAX,
  );

  test(
    "runs the executable of the supervisor, even if its file was replaced",
    async () => {
      const gateway = await start(TWO);
      writeFileSync(join(gateway.folder, "new"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      Bun.spawnSync(["mv", "new", "sallyport"], { cwd: gateway.folder });
      expect((await gateway.upgrade("--workers")).code).toBe(0);
      await expectServing(gateway);
      expect((await gateway.upgrade()).err).toContain("exit code 1");
    },
    TEST_MS_MAX,
  );
});

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a replacement of the workers is refused", () => {
  test(
    "if there are none",
    async () => {
      const gateway = await start();
      const { code, err } = await gateway.upgrade("--workers");
      expect({ code, err }).toEqual({ code: 1, err: "sallyport: upgrade refused: the gateway has no workers\n" });
    },
    TEST_MS_MAX,
  );

  test(
    "and so is an upgrade, while workers are being replaced; a stop ends it",
    async () => {
      const gateway = await start({ ...TWO, "shutdown.spread_ms": "8000" });
      const device = await gateway.login();
      const stream = await EventSubscriber.open(transportOf(gateway), device);
      const first = gateway.upgrade("--workers");
      await until(() => workersOf(gateway).length === 3, "the first new worker", WAIT_MS_MAX);
      const refused = { code: 1, out: "", err: "sallyport: upgrade refused: workers are being replaced\n" };
      expect(await Promise.all([gateway.upgrade("--workers"), gateway.upgrade()])).toEqual([refused, refused]);
      gateway.signal("SIGTERM");
      expect((await first).code).toBe(1);
      expect(await gateway.firstExited).toBe(0);
      await until(() => stream.ended !== undefined, "the end of the stream", WAIT_MS_MAX);
    },
    TEST_MS_MAX,
  );

  test(
    "while an upgrade runs, and for another body",
    async () => {
      const gateway = await start({ ...TWO, "shutdown.spread_ms": "5000" });
      const stream = await EventSubscriber.open(transportOf(gateway), await gateway.login());
      expect((await gateway.upgrade()).code).toBe(0);
      expect((await gateway.upgrade("--workers")).err).toBe(
        "sallyport: upgrade refused: the previous process has not ended yet\n",
      );
      await until(() => stream.ended !== undefined, "the end of the stream", WAIT_MS_MAX);
      const headers = { "content-type": "application/json" };
      for (const body of ['{"workers": false}', '{"workers": true, "count": 1}', '{"worker": true}', "[]", "", "true"]) {
        expect((await fetch(`${gateway.adminUrl}/upgrade`, { method: "POST", headers, body })).status).toBe(400);
      }
    },
    TEST_MS_MAX,
  );
});
