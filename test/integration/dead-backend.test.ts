import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ConnectError, createClient } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import type { Config } from "../../src/config/schema.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

/** The log at level `warn` names a failing backend and its recovery. */

const PROFILE_PATH = "/api/v1/user/profile";
const SEND = "/api/v1/public/auth/send-email-code";
const SETTINGS: Partial<Config> = { "session_cache.ttl_ms": 0, "backend.timeout_ms": 500, "backend.session_timeout_ms": 500 };

let world: World;
let device: Device;
beforeEach(async () => {
  errorTexts = "";
  world = await openWorld(SETTINGS);
  device = await world.login();
});
afterEach(() => world.close());

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly calls?: string;
  readonly failure?: string;
  readonly cause?: string;
}

function logLines(): Line[] {
  const lines = world.logged().split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** The log lines about backend calls at this level. */
function linesOf(level: string): Line[] {
  return logLines().filter((line) => line.level === level && line.msg.startsWith("backend calls"));
}

/** The errors of failed calls, as clients got them. */
let errorTexts = "";

async function command(): Promise<string> {
  const client = createClient(Gateway, world.transport(VARIANTS[0] ?? expect.unreachable()));
  const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
  return client.executeCommand(request).then(
    ({ envelope }) => envelope?.resultCode ?? "",
    (error) => {
      errorTexts += error instanceof ConnectError ? `${error.message} ${JSON.stringify(error.details)}` : String(error);
      return reasonOf(error) ?? "";
    },
  );
}

async function sendCode(): Promise<string> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ email: "ada@example.com" });
  const answer = await fetch(`${world.gateway.edgeUrl}${SEND}`, { method: "POST", headers, body });
  if (answer.ok) return "ok";
  const text = await answer.text();
  errorTexts += text;
  return (JSON.parse(text) as { code: string }).code;
}

const never = () => new Promise<Response>(() => {});
const broken = () => new Response("no", { status: 500 });
const unavailable = () => new Response("no", { status: 503 });

const CALLS = [
  ["commands", () => PROFILE_PATH, command],
  ["session look-ups", () => sessionPath(device.deviceSessionId), command],
  ["logins", () => SEND, sendCode],
] as const;
const FAULTS = [
  ["hangs", "timeout", never],
  ["answers 503", "unavailable", unavailable],
  ["answers 500", "bad_response", broken],
] as const;

describe.each(CALLS)("%s", (calls, pathOf, call) => {
  test.each(FAULTS)("to a backend that %s are logged once as failing and once as recovered", async (_, kind, fault) => {
    expect(await call()).toBe("ok");
    world.faults.on(pathOf(), fault);
    for (let at = 0; at < 5; at++) expect(await call()).not.toBe("ok");
    await until(() => linesOf("warn").length > 0, "a warning");
    world.faults.off(pathOf());
    for (let at = 0; at < 5; at++) expect(await call()).toBe("ok");
    await until(() => linesOf("info").length > 0, "the recovery");
    const address = new URL(world.faults.url).host;
    const place = { upstream: "backend", address };
    expect(linesOf("warn")).toMatchObject([{ msg: "backend calls failing", calls, failure: kind, ...place }]);
    // The line of each failed call names the address too.
    const causes = logLines().flatMap(({ msg, cause }) => (msg === "backend calls failing" ? [] : (cause ?? [])));
    expect(causes.filter((cause) => cause.includes(`upstream backend, ${address}: ${kind}`))).toHaveLength(5);
    expect(errorTexts).not.toBe("");
    expect(errorTexts).not.toMatch(/upstream|127\.0\.0\.1/);
    expect(linesOf("info")).toMatchObject([{ msg: "backend calls recovered", calls }]);
  });
});

test("a backend that refuses connections is logged with the cause, and so is its push feed", async () => {
  expect(await command()).toBe("ok");
  await world.faults.stop();
  await world.backend.stop();
  expect(await command()).toBe("SESSION_LOOKUP_UNAVAILABLE");
  const warnings = () =>
    world
      .logged()
      .split("\n")
      .filter((line) => line.includes('"level":"warn"'));
  const isLogged = (text: string) => warnings().some((line) => line.includes(text));
  await until(() => isLogged("session look-ups") && isLogged("push feed down"), "both warnings");
  expect(linesOf("warn")).toMatchObject([{ calls: "session look-ups", failure: "unavailable" }]);
  expect(linesOf("warn")[0]?.cause).not.toBe("");
});

test("a business error and a canceled call are not logged as failing calls", async () => {
  world.faults.on(PROFILE_PATH, () => Response.json({ code: "no_such_profile" }, { status: 404 }));
  expect(await command()).toBe("no_such_profile");
  world.faults.on(PROFILE_PATH, never);
  const abort = new AbortController();
  const client = createClient(Gateway, world.transport(VARIANTS[0] ?? expect.unreachable()));
  const before = world.faults.calls(PROFILE_PATH);
  const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
  const canceled = client.executeCommand(request, { signal: abort.signal }).catch(() => "canceled");
  await until(() => world.faults.calls(PROFILE_PATH) > before, "the call to arrive");
  abort.abort();
  await canceled;
  world.faults.off(PROFILE_PATH);
  expect(await command()).toBe("ok");
  expect(linesOf("warn")).toEqual([]);
});
