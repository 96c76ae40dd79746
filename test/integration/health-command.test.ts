import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { runCommand } from "../support/process.ts";
import { openWorld, type World } from "../support/world.ts";

/** `sallyport health`, as the health check of a container runs it. */

async function health(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = runCommand(["health", ...args], env);
  return { code: await command.exited, out: command.stdout(), err: command.stderr() };
}

describe("a running gateway", () => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  const listen = () => world.gateway.adminUrl.replace("http://", "");

  test("is alive and ready: by URL, by flag, and by variable", async () => {
    const url = world.gateway.adminUrl;
    expect(await health(["--url", url])).toEqual({ code: 0, out: "ok\n", err: "" });
    expect(await health(["--ready", "--url", `${url}/`])).toEqual({ code: 0, out: "ready\n", err: "" });
    expect(await health(["--set", `admin.listen=${listen()}`])).toEqual({ code: 0, out: "ok\n", err: "" });
    const anywhere = listen().replace("127.0.0.1", "0.0.0.0");
    expect((await health(["--ready"], { SALLYPORT_ADMIN_LISTEN: anywhere })).out).toBe("ready\n");
  });

  test("a proxy in the environment is not asked", async () => {
    const proxy = { HTTP_PROXY: "http://127.0.0.1:9", http_proxy: "http://127.0.0.1:9", NO_PROXY: "", no_proxy: "" };
    expect(await health(["--url", world.gateway.adminUrl], proxy)).toEqual({ code: 0, out: "ok\n", err: "" });
  });

  test("while it drains it is alive but not ready", async () => {
    const draining = await openWorld({ "shutdown.drain_ms": 2000 });
    const url = draining.gateway.adminUrl;
    const closed = draining.close();
    const [ready, alive] = await Promise.all([health(["--ready", "--url", url]), health(["--url", url])]);
    expect(ready).toEqual({ code: 1, out: "", err: expect.stringMatching(/^sallyport: not ready; .+\n$/) });
    expect(alive).toEqual({ code: 0, out: "ok\n", err: "" });
    await closed;
  });

  test("its public listener is not its admin listener", async () => {
    const { code, out, err } = await health(["--url", world.gateway.edgeUrl]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("is not the admin listener of a gateway");
  });
});

describe("a server that is no healthy gateway: exit 1 and one line", () => {
  const answers: Record<string, () => Response | Promise<Response>> = {
    "redirects to itself": () => Response.redirect("/healthz", 302),
    "sends no JSON": () => new Response("ok"),
    "sends a status that is no text": () => Response.json({ status: 200 }),
    "sends ok with an error status": () => Response.json({ status: "ok" }, { status: 500 }),
    "sends a body without an end": () =>
      new Response(new ReadableStream({ pull: (body) => body.enqueue(new Uint8Array(4096)) })),
    "sends control characters": () => Response.json({ status: "bad \u001b[2J\n", reasons: ["\u202e", 7] }, { status: 503 }),
    "never answers": () => new Promise(() => {}),
  };

  test.each(Object.entries(answers))("%s", async (_, answer) => {
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    const { code, out, err } = await health(["--url", server.url.origin, "--timeout", "2s"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^sallyport: [^\p{Cc}\p{Cf}]+\n$/u);
  });

  test("nothing listens", async () => {
    const { code, out, err } = await health(["--url", "http://127.0.0.1:9"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toBe("sallyport: no answer from http://127.0.0.1:9: ECONNREFUSED: connection refused\n");
  });
});

test.each([
  [["--url", "127.0.0.1:8082"]],
  [["--url", "ftp://127.0.0.1"]],
  [["--url", "http://127.0.0.1:8082/readyz"]],
  [["--url", "http://user:hunter2@127.0.0.1:8082"]],
  [["--url", "http://127.0.0.1:8082", "--set", "admin.listen=127.0.0.1:8082"]],
  [["--timeout", "soon"]],
  [["--redy"]],
  [["hunter2"]],
  [["--set", "admin.listen=hunter2"]],
  [["--config", "/no/such/file.toml"]],
])("a wrong command line: exit 2 (%p)", async (args) => {
  const { code, out, err } = await health(args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toStartWith("sallyport: ");
  expect(err).not.toContain("user:hunter2");
});
