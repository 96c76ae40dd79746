import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sendEmailCode } from "../../src/client/login.ts";
import { openWorld, type World } from "../support/world.ts";

/** The walks of FetchEvents with curl, run as the pages show them. */

const root = join(import.meta.dir, "../..");

let world: World;
let folder: string;
beforeAll(async () => {
  world = await openWorld();
  folder = mkdtempSync(join(tmpdir(), "sallyport-curl-"));
  copyFileSync(join(root, "proto/examples/sign.mjs"), join(folder, "sign.mjs"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await world.close();
});

/** Runs lines of a page in bash, with the addresses of this gateway. Returns the output. */
async function run(lines: string, cwd: string, env: Record<string, string> = {}): Promise<string> {
  const { out, err } = await outcomeOf(["-euo", "pipefail"], lines, { cwd, env: { ...process.env, ...env } });
  expect(err).toBe("");
  return out;
}

interface Place {
  readonly cwd: string;
  readonly env?: Record<string, string | undefined>;
}

async function outcomeOf(flags: readonly string[], lines: string, place: Place, { gateway, backend } = world) {
  const script = lines
    .replaceAll("http://127.0.0.1:8080", gateway.edgeUrl)
    .replaceAll("http://127.0.0.1:8083", backend.restUrl);
  const child = Bun.spawn(["bash", ...flags, "-c", script], { ...place, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { out, err, code: await child.exited };
}

function page(path: string): Promise<string> {
  return Bun.file(join(root, path)).text();
}

interface JsonEvent {
  readonly envelope: { readonly eventType: string; readonly eventId: string };
  readonly payloadBytes: string;
}

function eventsOf(json: string): JsonEvent[] {
  return JSON.parse(json).events;
}

const summaryOf = (events: readonly JsonEvent[]) => events.map(({ envelope }) => envelope.eventType);
const payloadOf = (event: JsonEvent | undefined) => JSON.parse(atob(event?.payloadBytes ?? ""));

test("the README's lines log in, push an event and fetch it", async () => {
  const [, lines = ""] = /^```sh\n([\s\S]*?)^```$/m.exec(await page("README.md")) ?? [];
  const out = await run(lines, root);
  const events = eventsOf(out.trimEnd().split("\n").at(-1) ?? "");
  expect(summaryOf(events)).toEqual(["gateway.server_time", "greeting.said"]);
  expect(payloadOf(events[0])).toMatchObject({ resumed: true });
  expect(payloadOf(events[1])).toEqual({ text: "hello" });
});

test("the README's lines stop at an answer that is a refusal, and print it", async () => {
  const [, lines = ""] = /^```sh\n([\s\S]*?)^```$/m.exec(await page("README.md")) ?? [];
  const strict = await openWorld({ "budgets.send_code.rate": 1 / 60, "budgets.send_code.burst": 1 });
  try {
    await sendEmailCode({ baseUrl: strict.gateway.edgeUrl, email: "curl@example.com" });
    const { out, err, code } = await outcomeOf([], lines, { cwd: root }, strict);
    expect({ out, code }).toEqual({ out: "", code: 1 });
    expect(err).toMatch(/^unexpected answer: \{"code":"rate_limited",.*send_code.*\}\n+$/);
  } finally {
    await strict.close();
  }
});

/** The commands of a block: lines after a prompt, with their continuation lines. */
function commandsOf(block: string): string[] {
  return [...block.matchAll(/^\$ ((?:.*[\\|]\n)*.*)$/gm)].map(([, command = ""]) => command);
}

test("the commands of the examples fetch an event that was pushed between two calls", async () => {
  const blocks = [...(await page("proto/examples/README.md")).matchAll(/^```\w*\n([\s\S]*?)^```$/gm)];
  const [first = "", push = "", second = ""] = commandsOf(blocks.map(([, block = ""]) => block).find(isFetch) ?? "");
  const SESSION = await sessionOf((await run("node sign.mjs", folder)).trim());
  const started = eventsOf(await run(first, folder, { SESSION }));
  expect(summaryOf(started)).toEqual(["gateway.server_time"]);
  expect(JSON.parse(await run(push, folder, { SESSION }))).toHaveProperty("event_id");
  const id = started[0]?.envelope.eventId ?? "";
  const fetched = await run(second.replace(/"resume_after":"[^"]+"/, `"resume_after":"${id}"`), folder, { SESSION });
  expect(summaryOf(eventsOf(fetched))).toEqual(["gateway.server_time", "greeting.said"]);
  expect(payloadOf(eventsOf(fetched)[1])).toEqual({ text: "hi" });
});

function isFetch(block: string): boolean {
  return block.includes("gateway.fetch");
}

/** Logs in with a public key. Returns the id of the session. */
async function sessionOf(publicKey: string): Promise<string> {
  const baseUrl = world.gateway.edgeUrl;
  const { challengeId } = await sendEmailCode({ baseUrl, email: "bob@example.com" });
  const outbox: { challenge_id: string; code: string }[] = await (await fetch(`${world.backend.restUrl}/dev/outbox`)).json();
  const code = outbox.find((mail) => mail.challenge_id === challengeId)?.code ?? "";
  const response = await fetch(`${baseUrl}/api/v1/public/auth/confirm-email-code`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ challenge_id: challengeId, code, client_public_key: publicKey }),
  });
  return (await response.json()).device_session_id;
}
