import { afterAll, expect, test } from "bun:test";
import { SallyportClient } from "../../../src/client/client.ts";
import { sendEmailCode } from "../../../src/client/login.ts";
import type { Fetch } from "../../../src/client/rest.ts";
import { DEVICE_KEY, failureOf, SESSION } from "./test-client.ts";

/** A `fetch` whose responses have no `body`, as in React Native, over a real HTTP server. */

let answer: () => Response = () => new Response();
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer() });
afterAll(() => server.stop(true));

const fetchWhole: Fetch = async (url, init) => {
  const response = await fetch(url, init);
  return Object.defineProperty(response, "body", { value: undefined });
};
const baseUrl = server.url.href;
const credentials = { deviceSessionId: SESSION, deviceKey: DEVICE_KEY };
const client = new SallyportClient({ baseUrl, credentials, fetch: fetchWhole });

test("an answer is read as a whole", async () => {
  answer = () => Response.json({ challenge_id: "ch-1" });
  expect(await sendEmailCode({ baseUrl, email: "a@example.com", fetch: fetchWhole })).toEqual({ challengeId: "ch-1" });
});

test("an answer that is too large is rejected", async () => {
  answer = () => Response.json({ challenge_id: "x".repeat(65 * 1024) });
  const login = sendEmailCode({ baseUrl, email: "a@example.com", fetch: fetchWhole });
  expect(await failureOf(login)).toMatchObject({ code: "bad_answer" });
});

test("the error of a command has the code of the gateway", async () => {
  answer = () => Response.json({ code: "failed_precondition", message: "no" }, { status: 400 });
  expect(await failureOf(client.execute("order.place"))).toMatchObject({ code: "failed_precondition", rawMessage: "no" });
});

test("a stream fails as unimplemented, and not as an answer that is not trusted", async () => {
  answer = () => new Response(new Uint8Array(9), { headers: { "content-type": "application/connect+proto" } });
  expect(await failureOf(client.openStream().next())).toMatchObject({ name: "GatewayError", code: "unimplemented" });
});
