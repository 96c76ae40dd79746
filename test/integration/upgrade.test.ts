import { afterEach, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import type { ConfigKey } from "../../src/config/schema.ts";
import { selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { freePorts } from "../support/free-ports.ts";
import { type SeenAnswer, send, signKeyed } from "../support/keyed-commands.ts";
import { receivedSequence } from "../support/received-sequence.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { type TlsTrust, VARIANTS } from "../support/variants.ts";

/** An upgrade: another process takes over, and nothing that the old one knew is lost. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: an upgrade needs Linux";
const WAIT_MS_MAX = 15_000;
const MESSAGES = "/api/v1/user/rooms/lobby/messages";
const MESSAGE = { messageType: "chat.message.send", payload: JSON.stringify({ room_id: "lobby", text: "hello" }) };

type Settings = Readonly<Partial<Record<ConfigKey, string>>>;

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

async function start(settings: Settings = {}, options: Parameters<typeof UpgradableGateway.start>[1] = {}) {
  const gateway = await UpgradableGateway.start(settings, options);
  opened.defer(() => gateway.close());
  return gateway;
}

interface Setup {
  readonly name: string;
  readonly variant: string;
  readonly settings: () => Promise<Settings>;
  readonly isSecure?: boolean;
  readonly skipped?: string | undefined;
}

const SETUPS: readonly Setup[] = [
  { name: "one process", variant: "Connect proto over HTTP/1.1", settings: async () => ({}) },
  {
    name: "one port with TLS",
    variant: "Connect proto over HTTP/2",
    isSecure: true,
    settings: async () => ({ "edge.grpc": "same-port" }),
  },
  { name: "the gRPC port", variant: "gRPC proto", settings: async () => ({}) },
  { name: "two workers", variant: "Connect proto over HTTP/1.1", settings: async () => ({ "workers.count": "2" }) },
  {
    name: "listeners with one port number on different addresses",
    variant: "gRPC proto",
    settings: async () => {
      const [port] = await freePorts(1);
      const listen = (n: number) => `127.0.0.${n}:${port}`;
      return { "edge.listen": listen(1), "grpc.listen": listen(2), "admin.listen": listen(3) };
    },
  },
  {
    name: "a shared file",
    variant: "gRPC-Web proto over HTTP/1.1",
    settings: async () => {
      const path = `/dev/shm/sallyport-upgrade-${process.pid}`;
      opened.defer(() => rmSync(path, { force: true }));
      return { "stores.shared_file": path, "replay.entries_max": "10000", "buckets.entries_max": "10000" };
    },
  },
  {
    name: "Redis with two workers",
    variant: "Connect proto over HTTP/1.1",
    skipped: NO_REDIS,
    settings: async () => {
      const redis = await TestRedis.start();
      opened.defer(() => redis.close());
      const stores: Settings = { "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": "true" };
      return { ...stores, "workers.count": "2" };
    },
  },
  {
    name: "Redis",
    variant: "Connect JSON over HTTP/1.1",
    skipped: NO_REDIS,
    settings: async () => {
      const redis = await TestRedis.start();
      opened.defer(() => redis.close());
      return { "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": "true" };
    },
  },
];

function transportOf(gateway: UpgradableGateway, variant: string, tls?: TlsTrust): Transport {
  const { listener, open } = VARIANTS.find(({ name }) => name === variant) ?? expect.unreachable();
  return open(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl, tls);
}

const isResumed = (stream: EventSubscriber) => Object(stream.payloads("gateway.server_time")[0]).resumed;

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "an upgrade", () => {
  for (const { name, variant, settings, isSecure = false, skipped } of SETUPS) {
    test.skipIf(skipped !== undefined)(
      `keeps reservations, kept answers and streams: ${skipped ?? name}`,
      async () => {
        const { certificate: ca, certificateFile, keyFile } = await selfSigned("upgrade.test");
        const secure: Settings = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
        const tls = isSecure ? { ca } : undefined;
        const gateway = await start({ ...(await settings()), ...(isSecure && secure) }, { tls });
        const ask = (request: Parameters<typeof send>[1]) => send(transportOf(gateway, variant, tls), request);
        const device = await gateway.login();
        const stream = await EventSubscriber.open(transportOf(gateway, variant, tls), device);
        await gateway.push(device, 1);
        await until(() => receivedSequence(stream).length === 1, "the event");
        const used = await signKeyed(device, { messageType: "user.profile.get" });
        expect((await ask(used)).text).toStartWith("ok ");
        const unused = await signKeyed(device, { messageType: "user.profile.get" });
        const first = await ask(await signKeyed(device, { ...MESSAGE, idempotencyKey: "order-first" }));
        expect(first.text).toStartWith("ok ");
        const slow = slowMessage(gateway);
        const inFlight = ask(await signKeyed(device, { ...MESSAGE, idempotencyKey: "order-in-flight" }));
        await slow.called;

        expect(await gateway.upgrade()).toMatchObject({ code: 0, err: "" });
        const repeat = ask(await signKeyed(device, { ...MESSAGE, idempotencyKey: "order-in-flight" }));
        expect((await ask(used)).text).toBe("REQUEST_REPLAYED");
        expect((await ask(unused)).text).toStartWith("ok ");
        const again = await signKeyed(device, { ...MESSAGE, idempotencyKey: "order-first" });
        expect(await ask(again)).toEqual({ text: first.text, replayed: "true" });
        slow.answer();
        const answers: SeenAnswer[] = await Promise.all([inFlight, repeat]);
        expect(answers.map(({ text }) => text)).toEqual(["ok {}", "ok {}"]);
        expect(gateway.faults.calls(MESSAGES)).toBe(2);
        gateway.faults.off(MESSAGES);

        await until(() => stream.ended !== undefined, "the end of the stream", WAIT_MS_MAX);
        expect(stream.ended).toBe("SHUTTING_DOWN");
        await gateway.push(device, 2);
        const resumed = await EventSubscriber.open(
          transportOf(gateway, variant, tls),
          device,
          JSON.stringify({ resume_after: stream.lastId }),
        );
        await until(() => receivedSequence(resumed).length === 1, "the event after the upgrade");
        expect({ resumed: isResumed(resumed), events: receivedSequence(resumed) }).toEqual({ resumed: true, events: [2] });
        expect(await gateway.firstExited).toBe(0);
        await until(() => gateway.lines("predecessor ended").length === 1, "the end to be noticed");
        expect((await ask(await signKeyed(device, { ...MESSAGE, idempotencyKey: "order-first" }))).replayed).toBe("true");
        expect((await ask(await signKeyed(device, { ...MESSAGE, idempotencyKey: "order-in-flight" }))).replayed).toBe("true");
        resumed.leave();
      },
      60_000,
    );
  }

  test("reads the configuration again, and SIGUSR2 asks for it too", async () => {
    const routes = [{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }];
    const gateway = await start({ routes: "[]" });
    const device = await gateway.login();
    const profile = async () => {
      const request = await signKeyed(device, { messageType: "user.profile.get" });
      return (await send(transportOf(gateway, "Connect proto over HTTP/1.1"), request)).text;
    };
    expect(await profile()).toBe("MESSAGE_TYPE_UNKNOWN");
    await gateway.configure({ routes: JSON.stringify(routes) });
    gateway.signal("SIGUSR2");
    await until(() => gateway.lines("predecessor ended").length === 1, "the upgrade", WAIT_MS_MAX);
    expect(await profile()).toStartWith("ok ");
  }, 60_000);
});

/** A backend that answers the message when the test wants it. */
function slowMessage(gateway: UpgradableGateway) {
  const called = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  gateway.faults.on(MESSAGES, async () => {
    called.resolve();
    await answered.promise;
    return Response.json({});
  });
  return { called: called.promise, answer: () => answered.resolve() };
}

test.skipIf(NOT_LINUX !== undefined)(
  NOT_LINUX ?? "the new release is started if the gateway was started in a link that a deployment has changed",
  async () => {
    const releases = mkdtempSync(join(tmpdir(), "sallyport-releases-"));
    opened.defer(() => rmSync(releases, { recursive: true }));
    const [current, next] = [join(releases, "current"), join(releases, "2")];
    const gateway = await start({}, { link: current });
    cpSync(join(gateway.folder, "settings.json"), join(next, "settings.json"));
    writeFileSync(join(next, "sallyport"), `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
    unlinkSync(current);
    symlinkSync(next, current);
    const { code, out } = await gateway.upgrade();
    expect(code).toBe(0);
    const executable = join(next, "sallyport");
    expect(out).toEndWith(`, executable ${executable}\n`);
    expect(gateway.lines("upgrade started")).toEqual([expect.objectContaining({ executable })]);
  },
  60_000,
);
