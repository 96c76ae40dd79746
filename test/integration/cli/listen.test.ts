import { afterEach, beforeEach, expect, test } from "bun:test";
import { logIn } from "../../support/cli/log-in.ts";
import { Shell } from "../../support/cli/shell.ts";
import { runCommand } from "../../support/process.ts";
import { StreamProxy } from "../../support/stream-proxy.ts";
import { until } from "../../support/until.ts";
import { openWorld, type World } from "../../support/world.ts";

/** `sallyport listen` in a script: one event a line, each once, over lost connections; and how it ends. */

let world: World;
let shell: Shell;
let sessionId: string;
beforeEach(async () => {
  world = await openWorld();
  shell = new Shell();
  sessionId = await logIn(shell, { edgeUrl: world.gateway.edgeUrl, backendUrl: world.backend.restUrl }, "ada@example.com");
});
afterEach(async () => {
  shell.close();
  await world.close();
});

/** Starts `sallyport listen` and waits until its stream is open. */
async function listen(args: readonly string[] = [], url = world.gateway.edgeUrl) {
  const command = runCommand(["listen", "--url", url, "--types", "*", ...args], { HOME: shell.folder, XDG_CONFIG_HOME: "" });
  const events = (): { event_type: string; payload: { n: number } }[] =>
    command
      .stdout()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  const numbers = () => events().flatMap(({ event_type, payload }) => (event_type === "test.counted" ? [payload.n] : []));
  await until(() => events().some(({ event_type }) => event_type === "gateway.server_time"), "the stream");
  return { command, events, numbers };
}

const push = (n: number) => world.push({ device_session_id: sessionId, event_type: "test.counted", payload: { n } });

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends it with exit code 0 and whole lines", async (signal) => {
  const { command, numbers } = await listen();
  await push(1);
  await until(() => numbers().length === 1, "the event");
  command.kill(signal);
  expect(await command.exited).toBe(0);
  expect(command.stdout()).toEndWith("}\n");
  expect(command.stderr()).toBe("");
});

test("it reconnects and resumes: each event once and in order, and people learn of it", async () => {
  const proxy = await StreamProxy.open(world.gateway.edgeUrl);
  try {
    const { command, numbers } = await listen([], proxy.url);
    await push(1);
    await until(() => numbers().length === 1, "the first event");
    proxy.cutAll();
    for (const n of [2, 3, 4]) await push(n);
    await until(() => numbers().length >= 4, "the events that were sent meanwhile");
    expect(numbers()).toEqual([1, 2, 3, 4]);
    expect(command.stderr()).toMatch(/^connection lost: [^\n]+; reconnecting\nlistening at http/);
    command.kill("SIGINT");
    expect(await command.exited).toBe(0);
  } finally {
    proxy.close();
  }
}, 60_000);

test("a revocation ends it with exit code 4", async () => {
  const { command } = await listen();
  await world.revoke({ device_session_id: sessionId });
  expect(await command.exited).toBe(4);
  expect(command.stderr()).toContain("SESSION_REVOKED");
  expect(command.stderr()).toEndWith("run: sallyport login\n");
}, 60_000);

test("a session that is already revoked, and a gateway that is down, end it at once", async () => {
  expect((await shell.run("sallyport listen --url http://127.0.0.1:1")).code).toBe(3);
  await world.revoke({ device_session_id: sessionId });
  const { code, out, err } = await shell.run("sallyport listen");
  expect({ code, out }).toEqual({ code: 4, out: "" });
  expect(err).toEndWith("run: sallyport login\n");
});

test("a reader that leaves ends it", async () => {
  const ended = shell.run("sallyport listen --types '*' | head -n 1 | wc -l");
  const timer = setInterval(() => void push(1), 50);
  try {
    expect((await ended).out.trim()).toBe("1");
  } finally {
    clearInterval(timer);
  }
}, 60_000);

test("each line is one JSON document, whatever the payload is", async () => {
  const { command, events } = await listen();
  await world.push({ device_session_id: sessionId, event_type: "test.odd", payload: "two\nlines \u2028 \u0085" });
  await until(() => events().some(({ event_type }) => event_type === "test.odd"), "the event");
  expect(events().at(-1)).toMatchObject({ payload: "two\nlines \u2028 \u0085", audience: `session:${sessionId}` });
  command.kill("SIGINT");
  await command.exited;
});
