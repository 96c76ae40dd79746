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
    await until(() => count("push feed configuration hint") > 0, `a hint: ${gateway.stderr()}`);
    const failures = count("push feed stream failed");
    await until(() => count("push feed stream failed") > failures + 3, "more attempts");
    return gateway
      .stdout()
      .split("\n")
      .filter((line) => line.includes("push feed configuration hint"));
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
}, 60_000);

test.each<[string, Parameters<typeof startWrongServer>[0], string, string]>([
  ["http for a server with TLS", "HTTP/2 over TLS", "", "the server uses TLS; write https:// instead of http:// in push.url"],
  ["the REST interface", "HTTP/1.1", "", "and not its REST interface"],
  ["a path", "h2c", "/v1", "remove the path from push.url"],
])(
  "push.url with %s: one line with the hint",
  async (_, kind, path, hint) => {
    server = await startWrongServer(kind);
    const [line = "", ...more] = await linesWith(`http://127.0.0.1:${server.port}${path}`, ["push.gateway_id=g"]);
    expect(more).toEqual([]);
    expect(JSON.parse(line).hint).toContain(hint);
  },
  60_000,
);
