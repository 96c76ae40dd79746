import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWorld, type World } from "../support/world.ts";

/** The calls of proto/examples/README.md, with sign.mjs run by Node.js. */

const NODE = Bun.which("node");
const NO_NODE = NODE === null ? "node is not installed (skipped: sign.mjs runs on Node.js; Debian: nodejs)" : undefined;
const examples = join(import.meta.dir, "../../proto/examples");
const CONFIRM = "/api/v1/public/auth/confirm-email-code";

describe.skipIf(NO_NODE !== undefined)(NO_NODE ?? "sign.mjs on Node.js", () => {
  let world: World;
  let folder: string;
  beforeAll(async () => {
    world = await openWorld();
    folder = mkdtempSync(join(tmpdir(), "sallyport-examples-"));
    copyFileSync(join(examples, "sign.mjs"), join(folder, "sign.mjs"));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await world.close();
  });

  const sign = (args: readonly string[]) => Bun.$`${NODE ?? "node"} sign.mjs ${args}`.cwd(folder).quiet();
  const post = (path: string, contentType: string, body: string | Uint8Array<ArrayBuffer>) =>
    fetch(`${world.gateway.edgeUrl}${path}`, { method: "POST", headers: { "content-type": contentType }, body });

  test.each([
    { flags: [], member: {} },
    { flags: ["--es256"], member: { client_key_algorithm: "ES256" } },
  ])("$flags: a device registers its key, sends a command and opens a stream", async ({ flags, member }) => {
    const { challengeId, code } = await world.emailCode();
    const client_public_key = (await sign(flags).text()).trim();
    const body = JSON.stringify({ challenge_id: challengeId, code, client_public_key, ...member });
    const { device_session_id }: { device_session_id: string } = await (await post(CONFIRM, "application/json", body)).json();

    const request = await sign([...flags, device_session_id, "user.profile.get"]).text();
    const answer = await post("/sallyport.v1.Gateway/ExecuteCommand", "application/json", request);
    expect(await answer.json()).toMatchObject({ envelope: { resultCode: "ok" } });

    const subscription = new Uint8Array((await sign([...flags, device_session_id, "gateway.subscribe"])).stdout);
    const stream = await post("/sallyport.v1.Gateway/SubscribeEvents", "application/connect+json", subscription);
    const reader = stream.body?.getReader();
    const { value = new Uint8Array(0) } = (await reader?.read()) ?? {};
    await reader?.cancel();
    expect(Buffer.from(value).toString()).toContain('"eventType":"gateway.server_time"');
  });

  test("a repeated command with an idempotency key gets the kept answer", async () => {
    const { challengeId, code } = await world.emailCode();
    const client_public_key = (await sign([]).text()).trim();
    const body = JSON.stringify({ challenge_id: challengeId, code, client_public_key });
    const { device_session_id }: { device_session_id: string } = await (await post(CONFIRM, "application/json", body)).json();
    const send = async () => {
      const args = [device_session_id, "chat.message.send", '{"room_id":"lobby","text":"hello"}', "order-4711"];
      return post("/sallyport.v1.Gateway/ExecuteCommand", "application/json", await sign(args).text());
    };
    const [first, second] = [await send(), await send()];
    expect([first, second].map(({ headers }) => headers.get("idempotent-replayed"))).toEqual([null, "true"]);
    const [one, two]: { payloadBytes: string }[] = [await first.json(), await second.json()];
    expect(two?.payloadBytes).toBe(one?.payloadBytes ?? "");
  });

  test("the page names each flag and member that this test uses", async () => {
    const page = await Bun.file(join(examples, "README.md")).text();
    expect(page).toContain(`"client_public_key":"'$(node sign.mjs)'"}'`);
    expect(page).toContain(`"client_public_key":"'$(node sign.mjs --es256)'","client_key_algorithm":"ES256"}'`);
  });
});
