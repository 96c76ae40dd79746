import { afterAll, beforeAll, expect, test } from "bun:test";
import { SallyportClient, type SallyportClientOptions } from "../../src/client/client.ts";
import type { SessionCredentials } from "../../src/client/login.ts";
import type { Fetch } from "../../src/client/rest.ts";
import { openWorld, type World } from "../support/world.ts";

/** The app passes its own `fetch` to the client: it can have streams that the platform lacks, and the other way round. */

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

function clientOf(credentials: SessionCredentials, options: Partial<SallyportClientOptions> = {}): SallyportClient {
  return new SallyportClient({ baseUrl: world.gateway.edgeUrl, credentials, ...options });
}

/** Calls `create` on a platform with another `Response`. The gateway, in the same process, needs the real one afterwards. */
function withResponse<T>(response: unknown, create: () => T): T {
  const { Response: real } = globalThis;
  Reflect.set(globalThis, "Response", response);
  try {
    return create();
  } finally {
    globalThis.Response = real;
  }
}

test("a command works if the device has a wrong clock and its fetch delivers only whole bodies", async () => {
  const fetchWhole: Fetch = async (url, init) => {
    const response = await fetch(url, init);
    return Object.defineProperty(response, "body", { value: undefined });
  };
  const client = clientOf(await world.login(), { fetch: fetchWhole, now: () => Date.now() - 3_600_000 });
  expect(await client.execute("user.profile.get")).toMatchObject({ resultCode: "ok" });
});

test("a stream uses the fetch of the app if the responses of the platform have no body", async () => {
  const credentials = await world.login();
  const options: Partial<SallyportClientOptions> = {
    fetch: (url, init) => fetch(url, init),
    streams: { transports: ["fetch"] },
  };
  const client = withResponse(class {}, () => clientOf(credentials, options));
  const events = client.subscribe({ gatewayEvents: true });
  expect((await events.next()).value).toMatchObject({ eventType: "gateway.server_time" });
  events.close();
});

test("a client can be created if the platform has no Response", async () => {
  const credentials = await world.login();
  const client = withResponse(undefined, () => clientOf(credentials));
  const events = client.subscribe({ gatewayEvents: true });
  expect((await events.next()).value).toMatchObject({ eventType: "gateway.server_time" });
  events.close();
});
