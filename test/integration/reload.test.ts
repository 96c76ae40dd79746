import { describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { refusalOf } from "../../src/client/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { until } from "../support/until.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

/** A configuration reload applies every budget immediately, including changes of its shadow mode. */

const EMPTY = new Uint8Array(0);
const MESSAGE_TYPE = "user.profile.get";
const LOGIN = "/api/v1/public/auth";
/** A valid public key: the base point (RFC 8032 5.1). */
const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");

/** Sends a request that spends the budget. Resolves with the name of the budget that refused it, or "let in". */
type Attempt = (world: World, device: Device) => Promise<string>;

const command: Attempt = async (world, { signer }) => execute(world, await signer.sign(MESSAGE_TYPE, EMPTY));

/** Sends a request whose session look-up fails. */
const guess: Attempt = async (world, { signer }) => {
  const request = await signer.sign(MESSAGE_TYPE, EMPTY);
  return execute(world, { ...request, envelope: { ...request.envelope, deviceSessionId: "nobody" } });
};

async function execute(world: World, request: object): Promise<string> {
  const transport = createConnectTransport({ baseUrl: world.gateway.edgeUrl, httpVersion: "1.1" });
  try {
    await createClient(Gateway, transport).executeCommand(request);
    return "let in";
  } catch (error) {
    const { reason, metadata } = refusalOf(error) ?? {};
    if (reason === "RATE_LIMITED") return metadata?.["scope"] ?? "";
    return reason === "SESSION_NOT_FOUND" ? "let in" : String(error);
  }
}

function publicCall(path: string, body?: object): Attempt {
  return async ({ gateway }) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(`${gateway.edgeUrl}${path}`, body && init);
    await answer.body?.cancel();
    return answer.status === 429 ? (/^"(\w+)"/.exec(answer.headers.get("ratelimit") ?? "")?.[1] ?? "") : "let in";
  };
}

const sendCode = publicCall(`${LOGIN}/send-email-code`, { email: "ada@example.com" });
const confirmCode = publicCall(`${LOGIN}/confirm-email-code`, { challenge_id: "c-1", code: "1", client_public_key: KEY });
const readKeys = publicCall("/.well-known/jwks.json");

/** A budget: its name, the configuration that sets it, and the scope of its shadow refusals. */
interface Case {
  readonly name: string;
  readonly scope: string;
  readonly attempt: Attempt;
  readonly set: (config: Config, budget: { rate: number; burst: number; shadow: boolean }) => object;
}

type ScopeBudget = "ip" | "session" | "user" | "failures" | "public_auth" | "public_misc" | "send_code" | "confirm_code";

function ofScope(name: ScopeBudget, scope: string, attempt: Attempt): Case {
  const set: Case["set"] = (_, budget) =>
    Object.fromEntries(Object.entries(budget).map(([key, value]) => [`budgets.${name}.${key}`, value]));
  return { name, scope, attempt, set };
}

const CASES: readonly Case[] = [
  ofScope("ip", "ip", command),
  ofScope("session", "session", command),
  ofScope("user", "user", command),
  {
    name: "message_type",
    scope: "message_type",
    attempt: command,
    set: ({ routes }, budget) => ({
      routes: routes.map((route) => (route.message_type === MESSAGE_TYPE ? { ...route, budget } : route)),
    }),
  },
  ofScope("failures", "failures", guess),
  ofScope("public_auth", "public_class", sendCode),
  ofScope("public_misc", "public_class", readKeys),
  ofScope("send_code", "public_identity", sendCode),
  ofScope("confirm_code", "public_identity", confirmCode),
];

describe.each(CASES)("the budget $name", ({ name, scope, attempt, set }) => {
  test("refuses when it is lowered, only counts in shadow mode, refuses again without it, and admits when it is raised", async () => {
    const world = await openWorld();
    const device = await world.login();
    const reload = (budget: object) =>
      world.gateway.reload(() => loadConfig({ env: {}, overrides: { ...world.config, ...budget } }));
    const attempts = async () => [await attempt(world, device), await attempt(world, device)];
    const shadowRefusals = () => metric(world.gateway, "sallyport_shadow_refusals_total", `{scope="${scope}"}`);
    const tight = { rate: 0.001, burst: 1 };

    expect(await attempts()).toEqual(["let in", "let in"]);
    // The test budgets refill 100,000 tokens per second: two tokens need one tick of the millisecond clock.
    await Bun.sleep(2);
    expect(await reload(set(world.config, { ...tight, shadow: false }))).toMatchObject({ kind: "reloaded" });
    expect(await attempts()).toEqual(["let in", name]);
    expect(await shadowRefusals()).toBe(0);
    expect(await reload(set(world.config, { ...tight, shadow: true }))).toMatchObject({ kind: "reloaded" });
    expect(await attempts()).toEqual(["let in", "let in"]);
    expect(await shadowRefusals()).toBe(2);
    expect(await reload(set(world.config, { ...tight, shadow: false }))).toMatchObject({ kind: "reloaded" });
    expect(await attempts()).toEqual([name, name]);
    expect(await shadowRefusals()).toBe(2);
    expect(await reload({})).toMatchObject({ kind: "reloaded" });
    // The bucket is still empty. It refills at the new rate from its next use.
    await until(async () => (await attempt(world, device)) === "let in", "the raised budget to admit a request");
    expect(await attempts()).toEqual(["let in", "let in"]);
    await world.close();
  });
});
