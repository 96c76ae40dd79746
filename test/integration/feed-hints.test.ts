import { afterEach, expect, test } from "bun:test";
import { runCommand } from "../support/process.ts";
import { ANY_PORTS, SEED } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";
import { startWrongServer, type WrongServer } from "../support/wrong-servers.ts";

/** The log of a running gateway says what to change if its push feed cannot work, without repeating it at each attempt. */

let server: WrongServer | undefined;
afterEach(() => server?.stop());

async function linesWith(pushUrl: string, extra: readonly string[] = []) {
  const settings = [`push.url=${pushUrl}`, "backend.url=http://127.0.0.1:9", `keys.current=${SEED}`, "push.backoff_max_ms=200"];
  const gateway = runCommand(["serve", ...ANY_PORTS, ...[...settings, ...extra].flatMap((each) => ["--set", each])]);
  const count = (message: string) => gateway.stdout().split(message).length - 1;
  try {
    await until(() => count("push feed hint") > 0, `a hint: ${gateway.stderr()}`, 15_000);
    const failures = count("push feed stream failed");
    await until(() => count("push feed stream failed") > failures + 3, "more attempts", 15_000);
    return gateway
      .stdout()
      .split("\n")
      .filter((line) => line.includes("push feed hint"));
  } finally {
    gateway.kill("SIGTERM");
    await gateway.exited;
  }
}

test("push.url with https for a server without TLS: one line with the hint, over many attempts", async () => {
  server = await startWrongServer("h2c");
  const lines = await linesWith(`https://127.0.0.1:${server.port}`);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: "warn",
    url: `https://127.0.0.1:${server.port}`,
    hint: "the server does not use TLS; write http:// instead of https:// in push.url",
  });
});

test("push.url with the REST interface: the hint names it", async () => {
  server = await startWrongServer("HTTP/1.1");
  const [line = "", ...more] = await linesWith(`http://127.0.0.1:${server.port}`, ["push.gateway_id=g"]);
  expect(more).toEqual([]);
  expect(JSON.parse(line).hint).toContain("and not its REST interface");
});
