import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codeFor } from "../../support/cli/log-in.ts";
import { compileExecutable } from "../../support/compile.ts";
import { ANY_DEV_PORTS, ANY_PORTS, SEED } from "../../support/serve-settings.ts";
import { until } from "../../support/until.ts";

/** The compiled executable, alone in a folder, without Bun, Node, the sources and any environment. */

test("the executable has the gateway and every command of the client", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-executable-"));
  const executable = join(folder, "sallyport");
  const built = await compileExecutable(join(import.meta.dir, "../../../src/main.ts"), executable);
  expect(built.success).toBe(true);
  const spawn = (...args: string[]) =>
    Bun.spawn([executable, ...args], {
      cwd: folder,
      env: { HOME: folder, PATH: "/nonexistent" },
      stdout: "pipe",
      stderr: "pipe",
    });
  const run = async (...args: string[]) => {
    const child = spawn(...args);
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { code: await child.exited, out, err };
  };

  writeFileSync(
    join(folder, "order.json"),
    JSON.stringify({ properties: { id: { pattern: "^[a-z]+$" } }, unevaluatedProperties: false }),
  );
  await expectWorkers(spawn);
  const dev = spawn("dev", ...ANY_DEV_PORTS);
  try {
    let printed = "";
    (async () => {
      for await (const chunk of dev.stdout) printed += new TextDecoder().decode(chunk);
    })();
    await until(() => printed.includes("push feed up"), "the gateway to be up");
    const urlOf = (name: string) => new RegExp(`^  ${name} +(\\S+)`, "m").exec(printed)?.[1] ?? "";

    expect(await run("login", "--url", urlOf("edge"), "--email", "ada@example.com")).toMatchObject({ code: 0, err: "" });
    const code = await codeFor(urlOf("backend"), "ada@example.com");
    expect(await run("login", "--code", code, "--key-algorithm", "ES256")).toMatchObject({ code: 0, err: "" });
    const called = await run("call", "user.profile.update", '{"display_name":"Ada"}');
    expect(JSON.parse(called.out)).toMatchObject({ email: "ada@example.com", display_name: "Ada" });
    const listened = await run("listen", "--types", "gateway.*", "--count", "1", "--timeout", "20s");
    expect(JSON.parse(listened.out)).toMatchObject({ event_type: "gateway.server_time" });
    const whoami = await run("whoami");
    expect(JSON.parse(whoami.out)).toMatchObject({ key_algorithm: "ES256", email: "ada@example.com" });
    expect((await run("completion", "candidates", "--", "call", "user.")).out).toBe("user.profile.update\n");
    expect((await run("completion", "fish")).out).toContain("complete -c sallyport");
    expect((await run("logout")).code).toBe(0);
    expect((await run("whoami")).code).toBe(4);
  } finally {
    dev.kill("SIGTERM");
    expect(await dev.exited).toBe(0);
    rmSync(folder, { recursive: true });
  }
}, 120_000);

/** `serve` starts its workers from the executable too. There is no backend, so the gateway never becomes ready. */
async function expectWorkers(spawn: (...args: string[]) => Bun.Subprocess<"ignore", "pipe", "pipe">): Promise<void> {
  const settings = { ...SERVE_SETTINGS, "workers.count": "2", "replay.entries_max": "10000", "buckets.entries_max": "10000" };
  const flags = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const serve = spawn("serve", ...ANY_PORTS, ...flags);
  let printed = "";
  (async () => {
    for await (const chunk of serve.stdout) printed += new TextDecoder().decode(chunk);
  })();
  await until(() => printed.includes('"gateway started"'), "the workers to start");
  expect(printed).toContain('"workers":2');
  serve.kill("SIGTERM");
  expect(await serve.exited).toBe(0);
}

const SERVE_SETTINGS = {
  // A worker starts only if it has compiled the schema, by code that it generates.
  routes: JSON.stringify([{ message_type: "orders.place", post: "/api/v1/user/orders", schema: "order.json" }]),
  "keys.current": SEED,
  "backend.url": "http://127.0.0.1:9",
  "push.url": "http://127.0.0.1:9",
  "shutdown.drain_ms": "0",
  "shutdown.spread_ms": "0",
};
