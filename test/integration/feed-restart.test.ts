import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGateway } from "../../src/app/gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { createLog } from "../../src/observe/log.ts";
import { BackendProcess } from "../support/backend-process.ts";
import { Listener } from "../support/listener.ts";
import { Wanderer } from "../support/roaming-client.ts";
import { lastNumber, story, unexplained, untold } from "../support/story.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, login, metric, ROOMY } from "../support/world.ts";

/**
 * The backend is a process that is killed while it works, and finds its state in a file when it starts again. Its log of what it pushed is
 * a part of that, or is empty at each start: then it cannot resume from any cursor.
 */

const RESTARTS = 50;
/** On a machine that is busy with other tests, too. */
const SOON_MS = 15_000;
const ANY_PORT = { host: "127.0.0.1", port: 0 };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
});

/** A gateway before a backend that can be killed. */
async function openSetting(forgetsLog: boolean) {
  opened = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "sallyport-feed-"));
  opened.defer(() => rm(directory, { recursive: true }));
  const backend = await BackendProcess.start({ database: join(directory, "backend.sqlite"), forgetsLog });
  opened.defer(() => backend.close());
  const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
  const wiring = { "backend.url": backend.restUrl, "push.url": backend.pushUrl };
  const quick = { "push.backoff_min_ms": 1, "push.backoff_max_ms": 20 };
  const config = loadConfig({ env: {}, overrides: { ...ROOMY, ...listen, ...wiring, ...quick } });
  const gateway = await startGateway({ config, log: createLog({ level: "error", format: "json", write() {} }) });
  opened.defer(async () => void (await gateway.stop()));
  const isUp = async () => (await metric(gateway, "sallyport_push_feed_up")) === 1;
  await until(isUp, "the push feed to be up");
  let people = 0;
  return {
    backend,
    metric: (name: string) => metric(gateway, name),
    login: () => login(gateway.edgeUrl, backend.restUrl, `person-${people++}@example.com`),
    transport: ({ listener, open }: (typeof VARIANTS)[number]) => open(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl),
  };
}
type Setting = Awaited<ReturnType<typeof openSetting>>;

/**
 * Somebody who says one number after the other to everybody, and each until the backend has acknowledged it. What is acknowledged is
 * committed: the file is in the kernel's hands by then, where a SIGKILL leaves it. What was cut off before may be in the log or not; it is
 * said again under its Idempotency-Key, under which the backend takes it once.
 */
class Speaker {
  acknowledged = 0;
  readonly #url: string;
  readonly #userId: string;
  #isDone = false;
  readonly #speaking: Promise<void>;

  constructor({ backend }: Setting, { userId }: Device) {
    this.#url = `${backend.restUrl}/api/v1/user/rooms/lobby/messages`;
    this.#userId = userId;
    this.#speaking = this.#speak();
  }

  async goesOn(): Promise<void> {
    const before = this.acknowledged;
    await until(() => this.acknowledged > before + 3, "the load to go on", SOON_MS);
  }

  /** Gives how many numbers it said. */
  async stop(): Promise<number> {
    this.#isDone = true;
    await this.#speaking;
    return this.acknowledged;
  }

  async #speak(): Promise<void> {
    while (!this.#isDone) {
      const status = await this.#say(String(this.acknowledged)).catch(() => "cut off");
      if (status === 201) this.acknowledged++;
      else if (status !== "cut off") throw new Error(`the backend answered ${status}`);
      await Bun.sleep(3);
    }
  }

  async #say(text: string): Promise<number> {
    const headers = { "content-type": "application/json", "x-user-id": this.#userId, "idempotency-key": text };
    return (await fetch(this.#url, { method: "POST", body: JSON.stringify({ text }), headers })).status;
  }
}

/** By which those come that leave and return. */
const WANDERING = VARIANTS.filter(({ name }) =>
  ["Connect proto over HTTP/1.1", "Connect JSON over HTTP/2", "gRPC proto"].includes(name),
);

async function revoke(restUrl: string, device: Device): Promise<void> {
  const body = JSON.stringify({ device_session_id: device.deviceSessionId });
  const response = await fetch(`${restUrl}/dev/revoke`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  expect(response.status).toBe(200);
}

/** Kills the backend under load again and again; at half-time a session is revoked while it is dead. Gives what everybody was told. */
async function killAgainAndAgain(setting: Setting, hasRecovered: (restart: number) => Promise<boolean>) {
  const { backend, transport } = setting;
  const everywhere = (device: Device) => Promise.all(VARIANTS.map((variant) => Listener.open(transport(variant), device)));
  const [person, doomed] = [await setting.login(), await setting.login()];
  const [staying, leaving] = [await everywhere(person), await everywhere(doomed)];
  const wanderers: Wanderer[] = [];
  for (const variant of WANDERING) wanderers.push(new Wanderer(transport(variant), await setting.login()));
  await until(() => wanderers.every(({ streams }) => streams.length > 0), "everybody to be there");
  const speaker = new Speaker(setting, person);
  const kills: number[] = [];
  for (let restart = 1; restart <= RESTARTS; restart++) {
    await speaker.goesOn();
    await backend.kill();
    // The next number may have been said already, and may not.
    kills.push(speaker.acknowledged);
    await until(async () => (await setting.metric("sallyport_push_feed_up")) === 0, "the feed to be down", SOON_MS);
    if (restart === RESTARTS / 2) {
      await backend.elsewhere((restUrl) => revoke(restUrl, doomed));
      expect(leaving.filter(({ ended }) => ended !== undefined)).toEqual([]);
    }
    await backend.restart();
    await until(() => hasRecovered(restart), `the feed to be back after restart ${restart}`, SOON_MS);
    if (restart < RESTARTS / 2) continue;
    await until(() => leaving.every(({ ended }) => ended === "SESSION_REVOKED"), "the revoked session's streams to end");
  }
  const open = [...staying, ...(await Promise.all(wanderers.map((each) => each.stay())))];
  await speaker.goesOn();
  const said = await speaker.stop();
  for (const stream of open) {
    await until(() => lastNumber(stream.events) === said - 1, "the last event");
    expect(stream.ended).toBeUndefined();
    stream.leave();
  }
  for (const { streams, endings } of wanderers) {
    expect(streams.length).toBeGreaterThan(RESTARTS / 2);
    // While the backend is dead, nobody can be looked up whom the gateway does not remember.
    expect([...endings].filter((reason) => reason !== "SESSION_LOOKUP_UNAVAILABLE")).toEqual([]);
  }
  return { said, kills, staying, leaving, wanderers };
}

const isUp = async ({ metric }: Setting) => (await metric("sallyport_push_feed_up")) === 1;

describe(`the backend is killed and started again ${RESTARTS} times under load`, () => {
  test("with its log: every client is told everything once and in order, one that comes back in between, too", async () => {
    const setting = await openSetting(false);
    const { said, staying, leaving, wanderers } = await killAgainAndAgain(setting, () => isUp(setting));
    const everything = Array.from({ length: said }, (_, n) => n);
    for (const each of [...staying, ...wanderers]) expect(story(each)).toEqual(everything);
    for (const each of leaving) expect(story(each)).toEqual(everything.slice(0, story(each).length));
    for (const { streams } of wanderers) {
      expect(streams.slice(1).filter(([first]) => !isResumed(first))).toEqual([]);
    }
    expect(await setting.metric("sallyport_push_feed_gaps_total")).toBe(0);
  }, 120_000);

  test("without its log: every client is told so each time, and else misses nothing", async () => {
    const setting = await openSetting(true);
    const gaps = () => setting.metric("sallyport_push_feed_gaps_total");
    const recovered = async (restart: number) => (await gaps()) === restart && (await isUp(setting));
    const { kills, staying, leaving, wanderers } = await killAgainAndAgain(setting, recovered);
    for (const told of [...staying, ...leaving, ...wanderers].map(story)) {
      expect(unexplained(told)).toEqual([]);
      expect(untold(told, kills)).toEqual([]);
    }
    for (const each of staying) expect(story(each).filter((told) => told === "resync")).toHaveLength(RESTARTS);
    expect(await gaps()).toBe(RESTARTS);
  }, 120_000);
});

function isResumed(first: GatewayEvent | undefined): boolean {
  return JSON.parse(new TextDecoder().decode(first?.payloadBytes)).resumed;
}
