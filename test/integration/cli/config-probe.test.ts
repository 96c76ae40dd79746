import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer as createHttp2Server } from "node:http2";
import { createServer } from "node:net";
import { join } from "node:path";
import { runProbes } from "../../../src/app/probe/run.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { requireBackend, SERVE_RULES } from "../../../src/config/rules.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { issuedBy, selfSigned } from "../../support/certificates.ts";
import { Shell, type ShellResult } from "../../support/cli/shell.ts";
import { freePorts } from "../../support/free-ports.ts";
import { NO_REDIS, TestRedis } from "../../support/redis.ts";
import { ANY_PORTS, SERVE_ENV } from "../../support/serve-settings.ts";
import { openWorld, type World } from "../../support/world.ts";
import { type FixedAnswer, HTML, JSON_404, startWrongServer, type WrongServer } from "../../support/wrong-servers.ts";

/** `sallyport config check --probe`: each thing that the gateway depends on is ok, or its line says what to do. */

let world: World;
let shell: Shell;
const opened: { stop(): unknown }[] = [];
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  shell = new Shell();
});
afterEach(async () => {
  shell.close();
  for (const each of opened.splice(0)) await each.stop();
});

interface Found {
  readonly lines: readonly string[];
  /** The lines about a setting. */
  of(setting: string): string[];
}

/** Returns the arguments with these settings. The other settings point to the embedded backend. */
function argumentsOf(settings: Readonly<Record<string, string>>): string[] {
  const all = { "backend.url": world.backend.restUrl, "push.url": world.backend.pushUrl, ...settings };
  return [...ANY_PORTS, ...Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`])];
}

/** Runs the probes in this process. A shorter time-out spares the wait for a server that never answers. */
async function probe(settings: Readonly<Record<string, string>> = {}, timeoutMs = 3000): Promise<Found> {
  const config = loadConfig({ env: SERVE_ENV, argv: argumentsOf(settings), rules: SERVE_RULES });
  const findings = await runProbes(requireBackend(config), { clock: systemClock, timeoutMs });
  const lines = findings.map(({ verdict, setting, text }) => `${verdict.padEnd(7)}  ${setting}: ${text}`);
  return { lines, of: (setting) => lines.filter((line) => line.includes(` ${setting}: `)) };
}

/** Runs the command with these settings. */
function runProbe(settings: Readonly<Record<string, string>> = {}, prefix = ""): Promise<ShellResult> {
  const flags = argumentsOf(settings).map((each) => `'${each}'`);
  return shell.run(`${prefix}sallyport config check --probe ${flags.join(" ")}`, { env: SERVE_ENV });
}

async function wrong(kind: Parameters<typeof startWrongServer>[0], answer?: FixedAnswer): Promise<WrongServer> {
  const server = await startWrongServer(kind, answer);
  opened.push(server);
  return server;
}

test("everything is ok with the embedded backend, and the backend sees only GET and one stream", async () => {
  const seen: string[] = [];
  const proxy = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      seen.push(`${request.method} ${pathname.replace(/[0-9a-f-]{36}$/, "<uuid>")}`);
      return await fetch(new URL(pathname, world.backend.restUrl), { method: request.method, headers: request.headers });
    },
  });
  opened.push({ stop: () => proxy.stop(true) });
  const { code, out, err } = await runProbe({ "backend.url": `http://127.0.0.1:${proxy.port}` });
  const lines = out.trimEnd().split("\n");
  expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
  expect([code, err]).toEqual([0, ""]);
  expect(lines).toContain(`ok       push.url: ${world.backend.pushUrl} sends messages over grpc`);
  expect(lines).toContain(`ok       backend.url: http://127.0.0.1:${proxy.port} answers the session look-up`);
  expect(lines).toContain(`ok       freshness.margin_ms: the clock agrees with that of 127.0.0.1:${proxy.port}`);
  expect(seen.toSorted()).toEqual(["GET /api/v1/internal/sessions/<uuid>", "GET /sallyport-config-check"]);
});

describe("the backend", () => {
  const status = (code: number, headers: Readonly<Record<string, string>> = {}): FixedAnswer => ({
    status: code,
    headers,
    body: "",
  });
  const json = { "content-type": "application/json" };
  test.each<[string, FixedAnswer, string]>([
    ["an HTML page", HTML, "it answers with an HTML page (HTTP 200); backend.url must name"],
    ["401", status(401), "it asks for a token (HTTP 401); set backend.token"],
    ["403", status(403), "it asks for a token (HTTP 403); set backend.token"],
    [
      "a redirect",
      status(301, { location: "https://user:hunter2@b.example/login?token=hunter2" }),
      "it redirects to https://b.example (HTTP 301); write the final address in backend.url",
    ],
    ["404 without JSON", status(404), "the session look-up answers 404 without a JSON object, expected 404 with a JSON object"],
    ["502", status(502), "the session look-up failed (HTTP 502); look into the backend's log"],
    [
      "200 to an unknown session",
      { status: 200, headers: json, body: "{}" },
      "the session look-up answers HTTP 200, expected 404",
    ],
    ["405", status(405), "the session look-up answers HTTP 405, expected 404"],
  ])("that answers %s", async (_, answer, text) => {
    const { port } = await wrong("HTTP/1.1", answer);
    const { of, lines } = await probe({ "backend.url": `http://127.0.0.1:${port}` });
    expect(of("backend.url")[0]).toStartWith(`error    backend.url: http://127.0.0.1:${port}: ${text}`);
    expect(lines.join("\n")).not.toContain("hunter2");
  });

  test("that refuses the token is an error, with exit code 1 and without the token in the output", async () => {
    const { port } = await wrong("HTTP/1.1", status(403));
    const settings = { "backend.url": `http://127.0.0.1:${port}`, "backend.token": "hunter2" };
    const { code, out, err } = await runProbe(settings);
    expect(code).toBe(1);
    expect(out).toContain("it refuses the gateway's token (HTTP 403); compare backend.token");
    expect(out + err).not.toContain("hunter2");
  });

  test("that answers each path with the same 404 causes a warning: the path may be wrong", async () => {
    const { port } = await wrong("HTTP/1.1", JSON_404);
    const { of } = await probe({ "backend.url": `http://127.0.0.1:${port}` });
    expect(of("backend.url")[0]).toStartWith("warning  backend.url");
    expect(of("backend.url")[0]).toContain("are backend.session_path and the path of backend.url right?");
  });

  test.each<[Parameters<typeof startWrongServer>[0], string, string]>([
    ["HTTP/1.1 over TLS", "http", "it uses TLS; write https:// instead of http:// in backend.url"],
    ["HTTP/1.1 over TLS", "https", "its certificate is not signed by a trusted authority (DEPTH_ZERO_SELF_SIGNED_CERT)"],
    ["HTTP/1.1", "https", "it does not use TLS; write http:// instead of https:// in backend.url"],
    ["h2c", "http", "it speaks only HTTP/2; is it the push service, and are backend.url and push.url swapped?"],
    ["h2c", "https", "it speaks only HTTP/2, and without TLS; is it the push service"],
    ["HTTP/2 over TLS", "http", "it uses TLS; write https:// instead of http:// in backend.url"],
    ["closing", "http", "it accepts connections, but does not speak HTTP; is the port right?"],
    ["silent", "http", "it accepts connections, but does not speak HTTP; is the port right?"],
  ])("of the kind %s behind an %s URL", async (kind, scheme, text) => {
    const { port } = await wrong(kind);
    const { of } = await probe({ "backend.url": `${scheme}://127.0.0.1:${port}` }, kind === "silent" ? 500 : 3000);
    expect(of("backend.url")[0]).toStartWith(`error    backend.url: ${scheme}://127.0.0.1:${port}: ${text}`);
  });

  test("whose clock differs causes a warning with the difference", async () => {
    const date = (offsetMs: number) => new Date(Date.now() + offsetMs).toUTCString();
    const { port } = await wrong("HTTP/1.1", { ...JSON_404, headers: { ...JSON_404.headers, date: date(60_000) } });
    const { of } = await probe({ "backend.url": `http://127.0.0.1:${port}` });
    expect(of("freshness.margin_ms")[0]).toMatch(
      /^warning {2}freshness.margin_ms: the clock of this machine is (59|60|61) s behind that of 127.0.0.1:\d+; synchronise both with NTP$/,
    );
  });
});

test("each upstream has its own line, and backend.ca_file makes a certificate trusted", async () => {
  const trusted = await selfSigned("backend.test");
  const fetch = () => Response.json({ code: "session_unknown", at: Math.random() }, { status: 404 });
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls: { cert: trusted.certificate, key: trusted.key }, fetch });
  opened.push({ stop: () => server.stop(true) });
  const rows = [
    { name: "new", url: `https://127.0.0.1:${server.port}` },
    { name: "old", url: "http://127.0.0.1:1" },
  ];
  const settings = { "backend.url": "", upstreams: JSON.stringify(rows), "backend.ca_file": trusted.certificateFile };
  const { of } = await probe(settings);
  expect(of("upstreams new")).toEqual([`ok       upstreams new: https://127.0.0.1:${server.port} answers the session look-up`]);
  expect(of("upstreams old")).toEqual([
    "error    upstreams old: http://127.0.0.1:1: no server listens there (ECONNREFUSED); start it, or correct upstreams[1].url",
  ]);
});

test("no line about an upstream names backend.url, and one about a token in a file names backend.token_file", async () => {
  const tokenFile = join(shell.folder, "backend.token");
  writeFileSync(tokenFile, "hunter2", { mode: 0o600 });
  const redirect = { status: 301, headers: { location: "https://b.example/" }, body: "" };
  const servers = await Promise.all([
    wrong("HTTP/1.1", HTML),
    wrong("HTTP/1.1", JSON_404),
    wrong("HTTP/1.1", redirect),
    wrong("HTTP/1.1", { status: 404, headers: {}, body: "" }),
    wrong("HTTP/1.1", { status: 403, headers: {}, body: "" }),
    wrong("HTTP/1.1 over TLS"),
    wrong("h2c"),
  ]);
  const rows = servers.map(({ port }, index) => ({ name: `u${index}`, url: `http://127.0.0.1:${port}` }));
  const settings = { "backend.url": "", upstreams: JSON.stringify(rows), "backend.token_file": tokenFile };
  const { lines } = await probe(settings);
  const about = lines.filter((line) => / upstreams u\d: /.test(line));
  expect(about.join("\n")).not.toContain("backend.url");
  for (const index of [0, 1, 2, 3, 5, 6]) expect(about[index]).toContain(`upstreams[${index}].url`);
  expect(about[4]).toContain("compare backend.token_file with what the backend expects");
});

test("the push service gets the token of backend.token_file", async () => {
  const tokenFile = join(shell.folder, "backend.token");
  writeFileSync(tokenFile, "hunter2\n", { mode: 0o600 });
  const seen: unknown[] = [];
  const server = createHttp2Server(({ headers }, response) => {
    seen.push(headers.authorization);
    response.writeHead(403).end();
  });
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  opened.push({ stop: () => server.close() });
  const { of } = await probe({ "push.url": `http://127.0.0.1:${port}`, "backend.token_file": tokenFile });
  expect(of("push.url")[0]).toContain("the backend refuses the gateway's token; compare backend.token or backend.token_file");
  expect(seen).toContain("Bearer hunter2");
});

describe("addresses", () => {
  test("a refused connection, an unknown host and swapped ports have different lines", async () => {
    const refused = await probe({ "backend.url": "http://127.0.0.1:1", "push.url": "http://no-such-host.invalid" });
    expect(refused.of("backend.url")).toEqual([
      "error    backend.url: http://127.0.0.1:1: no server listens there (ECONNREFUSED); start it, or correct backend.url",
    ]);
    expect(refused.of("push.url")[0]).toMatch(/its host name cannot be resolved \((ENOTFOUND|EAI_AGAIN)\); correct push.url/);
    const swapped = await probe({ "backend.url": world.backend.pushUrl, "push.url": world.backend.restUrl });
    expect(swapped.of("backend.url")[0]).toContain("are backend.url and push.url swapped?");
    expect(swapped.of("push.url")[0]).toContain(
      "push.url must name the backend's push service, which speaks HTTP/2, and not its REST",
    );
  });

  test("a push service that sends nothing causes an error within a few seconds, and so does a path in push.url", async () => {
    const { port } = await wrong("silent");
    const startedMs = performance.now();
    const { of } = await probe({ "push.url": `http://127.0.0.1:${port}` });
    expect(of("push.url")[0]).toStartWith("error ");
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    const withPath = await probe({ "push.url": `${world.backend.pushUrl}/api` });
    expect(withPath.of("push.url")[0]).toContain("remove the path from push.url");
  });

  test("a port that another program uses is an error, and one that a gateway uses is not", async () => {
    const [port = 0] = await freePorts(1);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    opened.push({ stop: () => other.close() });
    const { of } = await probe({ "grpc.listen": `127.0.0.1:${port}`, "edge.listen": "192.0.2.1:80" });
    expect(of("grpc.listen")[0]).toBe(
      `error    grpc.listen: 127.0.0.1:${port} is in use; stop the other program, or choose another port`,
    );
    expect(of("edge.listen")[0]).toContain(
      "this machine does not have the address 192.0.2.1:80; 0.0.0.0 or [::] stands for all",
    );
    const running = await probe({ "admin.listen": new URL(world.gateway.adminUrl).host });
    expect(running.of("admin.listen")[0]).toContain("is in use; a gateway runs on this machine");
  });
});

test.each([
  ["http", 1],
  ["redis", 1],
  ["redis without a token", 0],
])("the port of the private listener is probed if it is opened: %s", async (source, count) => {
  const [port = 0, redisPort = 0] = await freePorts(2);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  opened.push({ stop: () => other.close() });
  const { of } = await probe({
    ...{ "push.url": "", "push.listen": `127.0.0.1:${port}` },
    ...(source === "http" ? { "push.source": "http" } : { "push.source": "redis" }),
    ...(source === "http" ? {} : { "push.redis.url": `redis://127.0.0.1:${redisPort}` }),
    ...(count === 0 ? {} : { "push.token": "t".repeat(32) }),
  });
  const inUse = `error    push.listen: 127.0.0.1:${port} is in use; stop the other program, or choose another port`;
  expect(of("push.listen")).toEqual(count === 0 ? [] : [inUse]);
});

describe("the TLS files", () => {
  const tls = (certificate: string, key: string) => ({ "tls.certificate_file": certificate, "tls.key_file": key });

  test("that expire soon, and a chain in the wrong order, cause warnings", async () => {
    const root = await selfSigned("root.test");
    const leaf = await issuedBy(root, "leaf.test", { fromDays: -1, toDays: 3 });
    const soon = await probe(tls(leaf.certificateFile, leaf.keyFile));
    expect(soon.of("tls.certificate_file")[0]).toMatch(/^warning .*a certificate expires in [23] days; renew it$/);
    const unrelated = await selfSigned("unrelated.test");
    const file = join(shell.folder, "chain.pem");
    writeFileSync(
      file,
      leaf.certificate.slice(0, leaf.certificate.indexOf("-----END CERTIFICATE-----") + 26) + unrelated.certificate,
    );
    const broken = await probe(tls(file, leaf.keyFile));
    expect(broken.of("tls.certificate_file")[1]).toContain(
      "certificate 2 of 2 did not sign certificate 1; write the server's certificate",
    );
  });

  test("that fit are ok, and a lone certificate of an authority causes a warning", async () => {
    const root = await selfSigned("root.test");
    const good = await probe(tls(root.certificateFile, root.keyFile));
    expect(good.of("tls.certificate_file")).toEqual([
      "ok       tls.certificate_file: the key fits, and the certificates are valid for 29 days",
    ]);
    const leaf = await issuedBy(root, "leaf.test");
    const file = join(shell.folder, "leaf.pem");
    writeFileSync(file, leaf.certificate.slice(0, leaf.certificate.indexOf("-----END CERTIFICATE-----") + 26));
    const lone = await probe(tls(file, leaf.keyFile));
    expect(lone.of("tls.certificate_file")[1]).toContain("the file has no certificate of the issuer");
  });
});

test("files that the gateway writes need a folder that exists, and the shared file needs room", async () => {
  const { of } = await probe({
    "history.checkpoint_file": "/no/such/folder/checkpoint",
    "stores.shared_file": "/proc/sallyport",
  });
  expect(of("history.checkpoint_file")[0]).toContain("/no/such/folder: ENOENT: no such file or directory; create the folder");
  expect(of("stores.shared_file")[0]).toMatch(/^error .* MiB are needed, and 0 MiB are free in its folder; make room/);
});

test("a file to be written that is a folder is an error", async () => {
  const { of } = await probe({ "history.checkpoint_file": "/usr/lib", "stores.shared_file": "/dev/null" });
  for (const setting of ["history.checkpoint_file", "stores.shared_file"])
    expect(of(setting)).toContainEqual(expect.stringMatching(/^error .* exists and is not a file; correct the path$/));
});

test("few file descriptors cause a warning", async () => {
  const { out } = await runProbe({}, "ulimit -n 1024; ");
  expect(out).toContain("warning  connections.total_max: only 1024 file descriptors (RLIMIT_NOFILE); raise it by ulimit -n");
});

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "Redis", () => {
  const using = (url: string) => ({ "stores.kind": "redis", "stores.redis.url": url });
  const start = async (options?: Parameters<typeof TestRedis.start>[0]) => {
    const redis = await TestRedis.start(options);
    opened.push({ stop: () => redis.kill() });
    return redis;
  };

  test("that is suitable is ok, and gets no key", async () => {
    const redis = await start();
    const { of } = await probe(using(redis.url));
    expect(of("stores.redis.url")[0]).toMatch(
      new RegExp(`^ok {7}stores.redis.url: redis \\d+\\.\\d+\\.\\d+ at 127.0.0.1:${redis.port}$`),
    );
    const { stdout } = Bun.spawnSync(["redis-cli", "-p", String(redis.port), "dbsize"]);
    expect(stdout.toString().trim()).toBe("0");
  });

  test("as the push source is asked for its stream: missing, a stream, or a key of another type", async () => {
    const redis = await start();
    const source = { "push.url": "", "push.source": "redis", "push.redis.url": redis.url, "push.redis.stream": "orders:push" };
    const found = async () => (await probe(source)).of("push.redis.stream");
    const ok = "ok       push.redis.stream: the key orders:push can be read; it is a stream, or does not exist yet";
    expect(await found()).toEqual([ok]);
    expect(await redis.ask("DBSIZE")).toBe(0);
    await redis.ask("XADD", "orders:push", "*", "event", "{}");
    expect(await found()).toEqual([ok]);
    await redis.ask("DEL", "orders:push");
    await redis.ask("SET", "orders:push", "x");
    expect(await found()).toEqual([
      "error    push.redis.stream: the key orders:push is not a stream (WRONGTYPE); delete the key, or set push.redis.stream to another one",
    ]);
    await redis.ask("DEL", "orders:push");
    await redis.ask("ACL", "SETUSER", "default", "-xinfo");
    await redis.ask("XADD", "orders:push", "*", "event", "{}");
    expect((await found()).join()).toMatch(
      /^error {4}push.redis.stream: the key orders:push cannot be read: .*; correct the rights of the user$/,
    );
  });

  test.each<[string, readonly string[], string, RegExp]>([
    [
      "requires a password",
      ["--requirepass", "hunter2"],
      "",
      /requires a password, and the URL has none \(NOAUTH\); correct stores.redis.url/,
    ],
    [
      "has another password",
      ["--requirepass", "x"],
      ":hunter2@",
      /the user name or password is wrong \(WRONGPASS\); correct stores.redis.url/,
    ],
    ["is a replica", ["--replicaof", "127.0.0.1", "1"], "", /is a slave; give the address of its master/],
    ["evicts keys", ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], "", /set maxmemory-policy noeviction/],
    ["has no such database", [], "DATABASE", /it has no database with this number/],
  ])("that %s is an error", async (_, args, user, text) => {
    const { port } = await start({ args });
    const url = user === "DATABASE" ? `redis://127.0.0.1:${port}/99` : `redis://${user}127.0.0.1:${port}`;
    const { of, lines } = await probe(using(url));
    expect(of("stores.redis.url")[0] ?? lines.join("\n")).toMatch(text);
    expect(lines.join("\n")).not.toContain("hunter2");
  });

  test("that is a cluster node, uses TLS or does not run is an error", async () => {
    const cluster = await start({ isCluster: true });
    expect((await probe(using(cluster.url))).of("stores.redis.url")[0]).toContain("is a Redis Cluster node");
    const secured = await start({ tls: { own: await selfSigned("redis.test") } });
    expect((await probe(using(secured.url.replace("rediss:", "redis:")))).of("stores.redis.url")[0]).toContain(
      "does it require TLS (rediss://)?",
    );
    expect((await probe(using(secured.url))).of("stores.redis.url")[0]).toContain(
      "its certificate is not trusted (stores.redis.ca_file)",
    );
    expect((await probe(using("redis://127.0.0.1:1"))).of("stores.redis.url")[0]).toContain(
      "no server listens there (ECONNREFUSED)",
    );
  });
});
