import { afterEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import type { Config } from "../../src/config/schema.ts";
import type { DevBackend } from "../../src/dev/backend.ts";
import { DEV_ROUTES } from "../../src/dev/user-api.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { DnsServer } from "../support/dns-server.ts";
import { answersRubbish, type Behaviour, HttpServer, hangs } from "../support/http-servers.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

/**
 * A gateway in front of three real servers that forward to one backend. Servers are killed, slow, answer rubbish and move. Callers
 * see what src/backend/README.md says.
 */

const GET = "user.profile.get";
const POST = "test.post";
const KEYED = "test.keyed";
const HURRIED = "test.hurried";
const ROUTES = [
  ...DEV_ROUTES,
  { message_type: HURRIED, method: "GET", path: "/api/v1/user/test/hurried", timeout_ms: 250 },
  ...[0, 2].map((retries_max) => ({
    message_type: `test.retries_${retries_max}`,
    method: "GET" as const,
    path: "/api/v1/user/test/retried",
    retries_max,
  })),
  { message_type: POST, method: "POST", path: "/api/v1/user/test/post" },
  { message_type: KEYED, method: "POST", path: "/api/v1/user/test/keyed", keep_answer_ms: 60_000 },
] as const;
/** Calls to these paths count as commands. */
const COMMAND = "/api/v1/user/";

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

/** A server of the backend. Counts the commands that reach it, and answers them by `faults` if that is set. */
class Server extends HttpServer {
  commands = 0;
  fault: Behaviour | undefined;

  constructor(backend: () => DevBackend, hostname = "127.0.0.1", port = 0) {
    super((request) => this.#answer(request, backend()), hostname, port);
    opened.defer(() => this.kill());
  }

  async #answer(request: Request, backend: DevBackend): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    if (pathname.startsWith(COMMAND)) {
      this.commands++;
      if (this.fault !== undefined) return this.fault(request);
      if (pathname.startsWith(`${COMMAND}test/`)) return Response.json({});
    }
    const body = request.method === "GET" ? null : await request.bytes();
    const headers = new Headers(request.headers);
    headers.delete("host");
    return fetch(`${backend.restUrl}${pathname}${search}`, { method: request.method, headers, body });
  }
}

interface Setup {
  readonly world: World;
  readonly device: Device;
  readonly servers: readonly Server[];
}

async function open(weights: readonly number[], settings: Partial<Config> = {}): Promise<Setup> {
  let backend: DevBackend | undefined;
  const started = () => backend ?? expect.unreachable();
  const servers = weights.map(() => new Server(started));
  const rows = servers.map(({ url }, at) => ({ name: `s${at}`, url, weight: weights[at] ?? 1 }));
  const world = await openWorld({ routes: ROUTES, "backend.url": undefined, upstreams: rows, ...settings });
  opened.defer(() => world.close());
  backend = world.backend;
  return { world, device: await world.login(), servers };
}

/** Sends one command. Returns its result code or the reason of its refusal, and how long it took. */
async function send({ world, device }: Setup, messageType: string): Promise<[string, number]> {
  const client = createClient(Gateway, world.transport(VARIANTS[0] ?? expect.unreachable()));
  const payload = new TextEncoder().encode(messageType === POST || messageType === KEYED ? "{}" : "");
  const idempotencyKey = messageType === KEYED ? crypto.randomUUID() : "";
  const request = await device.signer.sign(messageType, payload, { idempotencyKey });
  const startedMs = performance.now();
  const outcome = await client.executeCommand(request).then(
    ({ envelope }) => envelope?.resultCode ?? "",
    (error) => reasonOf(error) ?? String(error),
  );
  return [outcome, performance.now() - startedMs];
}

/** Sends commands, `concurrency` at a time. Returns how often each outcome came. */
async function sendAll(setup: Setup, messageType: string, commands: number, concurrency = 8): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const numbers = Array.from({ length: commands }, (_, number) => number).values();
  const sender = async () => {
    for (const _ of numbers) {
      const [outcome] = await send(setup, messageType);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, sender));
  return counts;
}

function commandsAt(servers: readonly Server[]): number {
  return servers.reduce((sum, { commands }) => sum + commands, 0);
}

const QUICK: Partial<Config> = {
  "backend.outlier.interval_ms": 100,
  "backend.outlier.base_ejection_time_ms": 300,
  "backend.outlier.max_ejection_percent": 50,
};

test("one killed, one slow, one answering rubbish: callers see the policy, and the backend at most 1.2 calls per command", async () => {
  const setup = await open([1, 1, 1], { ...QUICK, "backend.response_timeout_ms": 2000 });
  const { servers, world } = setup;
  const [first, second, third] = servers;
  if (first === undefined || second === undefined || third === undefined) return expect.unreachable();
  let commands = 0;
  const sendOk = async (messageType: string, count: number) => {
    commands += count;
    expect(await sendAll(setup, messageType, count)).toEqual({ ok: count });
  };
  for (const type of [GET, POST, KEYED]) await sendOk(type, 60);

  await first.kill();
  for (const type of [GET, POST, KEYED]) await sendOk(type, 60);
  expect(await metric(world.gateway, "sallyport_upstream_ejections_total")).toBeGreaterThan(0);
  first.start();

  second.fault = async (request) => {
    await Bun.sleep(20);
    return request.method === "GET" ? Response.json({ slow: true }) : Response.json({});
  };
  for (const type of [GET, POST, KEYED]) await sendOk(type, 60);
  second.fault = undefined;

  third.fault = answersRubbish;
  commands += 120;
  const posts = await sendAll(setup, POST, 120);
  expect(Object.keys(posts).sort()).toEqual(["BACKEND_BAD_RESPONSE", "ok"]);
  const gets = await sendAll(setup, GET, 60);
  commands += 60;
  expect((gets["ok"] ?? 0) / 60).toBeGreaterThan(0.9);

  expect(commandsAt(servers) / commands).toBeLessThanOrEqual(1.2);
  third.fault = undefined;
  const before = servers.map((server) => server.commands);
  const areBack = async () => {
    await sendAll(setup, GET, 12);
    return servers.every((server, at) => server.commands > (before[at] ?? 0));
  };
  await until(areBack, "all servers to get commands again");
  expect(await sendAll(setup, POST, 60)).toEqual({ ok: 60 });
}, 60_000);

test("with one server that always answers rubbish and is never ejected, the backend gets at most 1.2 calls per command", async () => {
  const setup = await open([1, 1, 1], {
    "backend.outlier.consecutive_5xx": 0,
    "backend.outlier.consecutive_gateway_failure": 0,
  });
  const [rubbish] = setup.servers;
  if (rubbish === undefined) return expect.unreachable();
  rubbish.fault = answersRubbish;
  const counts = await sendAll(setup, GET, 300);
  expect(commandsAt(setup.servers) / 300).toBeLessThanOrEqual(1.2);
  expect(commandsAt(setup.servers) / 300).toBeGreaterThan(1.1);
  expect(Object.keys(counts).sort()).toEqual(["BACKEND_BAD_RESPONSE", "ok"]);
});

describe("deadlines hold within 50 ms while every server hangs:", () => {
  /** The lateness of the most punctual of five commands. Under the load of other tests, the process itself may be late. */
  async function latenessMs(setup: Setup, messageType: string, deadlineMs: number): Promise<number> {
    let leastMs = Number.POSITIVE_INFINITY;
    for (let at = 0; at < 5; at++) {
      const [outcome, tookMs] = await send(setup, messageType);
      expect(outcome).toBe("BACKEND_TIMEOUT");
      expect(tookMs).toBeGreaterThan(deadlineMs - 5);
      leastMs = Math.min(leastMs, tookMs - deadlineMs);
    }
    return leastMs;
  }

  async function hanging(settings: Partial<Config>): Promise<Setup> {
    const setup = await open([1, 1, 1], settings);
    for (const server of setup.servers) server.fault = hangs;
    return setup;
  }

  test("the timeout of the route", async () => {
    const setup = await hanging({});
    expect(await latenessMs(setup, HURRIED, 250)).toBeLessThan(50);
  });

  test("the timeout of the route over two attempts", async () => {
    const setup = await hanging({ "backend.response_timeout_ms": 200 });
    expect(await latenessMs(setup, HURRIED, 250)).toBeLessThan(50);
    expect(commandsAt(setup.servers)).toBeGreaterThan(5);
  });

  test("the timeout of the attempts", async () => {
    const setup = await hanging({ "backend.response_timeout_ms": 150, "backend.retries_max": 0 });
    expect(await latenessMs(setup, HURRIED, 150)).toBeLessThan(50);
  });
});

test.each([
  ["test.retries_0", 1],
  [GET, 2],
  ["test.retries_2", 3],
])("retries_max of the route bounds the attempts of a call: %s has %i", async (messageType, attempts) => {
  const { servers, ...setup } = await open([1, 1, 1, 1], { "backend.retry_budget_percent": 20 });
  for (const server of servers) server.fault = () => new Response(null, { status: 503 });
  expect((await send({ servers, ...setup }, messageType))[0]).toBe("BACKEND_UNAVAILABLE");
  expect(commandsAt(servers)).toBe(attempts);
  // The budget holds for all routes: of many calls, only the first ones and a fifth of the others are repeated.
  expect(await sendAll({ servers, ...setup }, messageType, 50, 1)).toEqual({ BACKEND_UNAVAILABLE: 50 });
  expect(commandsAt(servers)).toBeLessThanOrEqual(51 + 11);
});

test.each([1, 24])(
  "a canary of 10 %% gets 10 %% of the commands, %i at a time",
  async (concurrency) => {
    const setup = await open([45, 45, 10]);
    const commands = 600;
    expect(await sendAll(setup, GET, commands, concurrency)).toEqual({ ok: commands });
    const share = (setup.servers[2]?.commands ?? 0) / commands;
    // Four standard deviations of a binomial distribution.
    expect(Math.abs(share - 0.1)).toBeLessThan(4 * Math.sqrt((0.1 * 0.9) / commands));
  },
  60_000,
);

test("a server that restarts at another address of its name gets the commands again, and callers of the others notice nothing", async () => {
  let backend: DevBackend | undefined;
  const started = () => backend ?? expect.unreachable();
  const stay = new Server(started, "127.0.0.2");
  const moving = new Server(started, "127.0.0.3", stay.port);
  const dns = await DnsServer.open(["127.0.0.2", "127.0.0.3"], 1);
  opened.defer(() => dns.close());
  const world = await openWorld({
    routes: ROUTES,
    "backend.url": `http://orders.test:${stay.port}`,
    "backend.dns_servers": [dns.address],
  });
  opened.defer(() => world.close());
  backend = world.backend;
  const setup = { world, device: await world.login(), servers: [stay, moving] };
  expect(await sendAll(setup, POST, 40)).toEqual({ ok: 40 });
  expect(moving.commands).toBeGreaterThan(5);

  await moving.kill();
  const moved = new Server(started, "127.0.0.4", stay.port);
  dns.addresses = ["127.0.0.2", "127.0.0.4"];
  await until(async () => {
    expect(await sendAll(setup, POST, 10)).toEqual({ ok: 10 });
    return moved.commands > 0;
  }, "commands at the new address");
});
