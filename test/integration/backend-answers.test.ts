import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import { generateDeviceKey } from "../../src/client/webcrypto-key.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { LOGIN_PATHS } from "../support/login-paths.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

/** Answers that are not meant for the user: of a proxy, of a wrong server at `backend.url`, or about the gateway's own token. */

const PROFILE = "/api/v1/user/profile";
const LOGIN_CALLS = LOGIN_PATHS.flatMap(({ SEND, CONFIRM }) => [SEND, CONFIRM]);
const SENDS: readonly string[] = LOGIN_PATHS.map(({ SEND }) => SEND);
const html = (status: number) =>
  new Response(`<html><h1>${status}</h1><center>nginx</center></html>`, { status, headers: { "content-type": "text/html" } });

let world: World;
beforeAll(async () => {
  world = await openWorld({ "session_cache.ttl_ms": 0, "session_cache.unknown_ttl_ms": 600_000 });
});
afterAll(() => world.close());

const [anyVariant = expect.unreachable()] = VARIANTS;

async function attempt(device: Device): Promise<string | undefined> {
  const client = createClient(Gateway, world.transport(anyVariant));
  const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
  return client.executeCommand(request).then(({ envelope }) => envelope?.resultCode, reasonOf);
}

/** Waits for a log line with this cause, after the first `before` characters of the log. */
async function causeLogged(cause: RegExp, before: number): Promise<void> {
  const hasCause = (line: string) => cause.test(String(JSON.parse(line).cause));
  await until(
    () => world.logged().slice(before).trim().split("\n").filter(Boolean).some(hasCause),
    `a log line with the cause ${cause}`,
  );
}

describe("a wrong server or a proxy at backend.url", () => {
  const answers: [string, () => Response, RegExp][] = [
    ["a 404 of HTML", () => html(404), /HTTP 404 .*text\/html/],
    ["an empty 404", () => new Response(null, { status: 404 }), /HTTP 404/],
    ["a 404 of a JSON list", () => Response.json([], { status: 404 }), /HTTP 404/],
    ["a redirect", () => Response.redirect("/login", 302), /HTTP 302/],
    ["a 401", () => Response.json({ code: "x" }, { status: 401 }), /HTTP 401.*backend\.token/],
    ["a 403", () => Response.json({ code: "x" }, { status: 403 }), /HTTP 403.*backend\.token/],
    ["a 407", () => html(407), /HTTP 407/],
    ["a 500 of HTML", () => html(500), /HTTP 500/],
    ["a 502 of HTML", () => html(502), /HTTP 502/],
  ];
  test.each(answers)("logs no client out with %s, and the cause is logged", async (_name, answer, cause) => {
    const device = await world.login();
    world.faults.on(sessionPath(device.deviceSessionId), answer);
    const before = world.logged().length;
    expect(await attempt(device)).toBe("SESSION_LOOKUP_UNAVAILABLE");
    await causeLogged(cause, before);
    world.faults.off(sessionPath(device.deviceSessionId));
    expect(await attempt(device)).toBe("ok");
  });

  test("does not hide the session resource's own 404, which logs the client out", async () => {
    const device = await world.login();
    world.faults.on(sessionPath(device.deviceSessionId), () => Response.json({ code: "session_unknown" }, { status: 404 }));
    expect(await attempt(device)).toBe("SESSION_NOT_FOUND");
  });
});

describe("a backend that refuses the gateway's own token", () => {
  test.each([401, 403, 407])("makes a login fail with 502, and names backend.token in the log: %d", async (status) => {
    for (const path of LOGIN_CALLS) {
      world.faults.on(path, () => Response.json({ code: "invalid_token" }, { status }));
      const key = Buffer.from((await generateDeviceKey()).publicKey).toString("base64");
      const body = SENDS.includes(path)
        ? { email: "a@example.com" }
        : { challenge_id: "00000000-0000-4000-8000-000000000000", code: "1", client_public_key: key };
      const headers = { "content-type": "application/json" };
      const before = world.logged().length;
      const response = await fetch(world.gateway.edgeUrl + path, { method: "POST", headers, body: JSON.stringify(body) });
      expect([response.status, await response.json()]).toEqual([
        502,
        expect.objectContaining({ code: "backend_bad_response" }),
      ]);
      await causeLogged(new RegExp(`HTTP ${status}.*backend\\.token`), before);
      world.faults.off(path);
    }
  });

  test("makes a command fail if the answer has a WWW-Authenticate challenge; without one it is a business error", async () => {
    const device = await world.login();
    for (const status of [401, 403]) {
      const challenge = { "www-authenticate": 'Bearer error="invalid_token"' };
      world.faults.on(PROFILE, () => Response.json({ code: "no" }, { status, headers: challenge }));
      const before = world.logged().length;
      expect(await attempt(device)).toBe("BACKEND_BAD_RESPONSE");
      await causeLogged(new RegExp(`HTTP ${status}.*backend\\.token`), before);
      world.faults.on(PROFILE, () => Response.json({ code: "no" }, { status }));
      expect(await attempt(device)).toBe("no");
    }
    world.faults.off(PROFILE);
  });
});
