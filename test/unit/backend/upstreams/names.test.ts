import { afterEach, describe, expect, test } from "bun:test";
import { nextLookUpMs } from "../../../../src/backend/upstreams/name-watch.ts";
import type { UpstreamPool } from "../../../../src/backend/upstreams/upstream-pool.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { issuedBy, selfSigned } from "../../../support/certificates.ts";
import { DnsServer } from "../../../support/dns-server.ts";
import { HttpServer } from "../../../support/http-servers.ts";
import { until } from "../../../support/until.ts";
import { openUpstreams } from "../../../support/upstreams.ts";
import { RecordingLog } from "../support/recorders.ts";

/** Names that a real DNS server on loopback resolves to addresses of real servers. All servers of a name have the same port. */

const NAME = "orders.test";
const [FIRST, SECOND, THIRD] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"] as const;

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

async function openDns(addresses: readonly string[], ttlSeconds: number): Promise<DnsServer> {
  const dns = await DnsServer.open(addresses, ttlSeconds);
  opened.defer(() => dns.close());
  return dns;
}

/** Servers at these addresses, on one port. */
function serversAt(addresses: readonly string[]): HttpServer[] {
  const servers: HttpServer[] = [];
  for (const address of addresses) {
    const server = new HttpServer(() => Response.json({ at: address }), address, servers[0]?.port);
    opened.defer(() => server.kill());
    servers.push(server);
  }
  return servers;
}

function openPool(url: string, dns: DnsServer, settings: Partial<Config> = {}, log = new RecordingLog()): UpstreamPool {
  const upstreams = openUpstreams({ "backend.url": url, "backend.dns_servers": [dns.address], ...settings }, { log });
  opened.defer(() => upstreams.close());
  return upstreams.pool("commands", 64, 4096);
}

/** The address that answers a call, or the kind of failure. */
function answering(pool: UpstreamPool, method: "GET" | "POST" = "GET"): Promise<string> {
  const call = { method, target: "/x", headers: {}, body: method === "POST" ? "{}" : undefined, timeoutMs: 2000 };
  const read = ({ body }: { body: Uint8Array }): string => (JSON.parse(Buffer.from(body).toString()) as { at: string }).at;
  return pool.call(call, read).catch((failure) => failure.kind);
}

async function allAnswering(pool: UpstreamPool, calls = 60): Promise<string[]> {
  const found = new Set<string>();
  for (let call = 0; call < calls; call++) found.add(await answering(pool));
  return [...found].sort();
}

function urlOf(servers: readonly HttpServer[], path = ""): string {
  return `http://${NAME}:${servers[0]?.port}${path}`;
}

test("a call names the host and its path prefix, whatever address it goes to", async () => {
  const servers = serversAt([FIRST, SECOND]);
  const dns = await openDns([FIRST, SECOND], 60);
  const pool = openPool(urlOf(servers, "/prefix/"), dns);
  expect(await allAnswering(pool)).toEqual([FIRST, SECOND]);
  for (const { last } of servers) {
    expect(last?.headers["host"]).toBe(`${NAME}:${servers[0]?.port}`);
    expect(new URL(last?.url ?? "").pathname).toBe("/prefix/x");
  }
  expect(dns.queries).toBe(1);
});

test("a name is looked up again when its TTL ends, and not before", async () => {
  const servers = serversAt([FIRST, SECOND, THIRD]);
  const dns = await openDns([FIRST, SECOND], 1);
  const pool = openPool(urlOf(servers), dns);
  expect(await allAnswering(pool)).toEqual([FIRST, SECOND]);
  dns.addresses = [THIRD];
  await until(async () => (await answering(pool)) === THIRD, "the new address", 5000);
  expect(await allAnswering(pool)).toEqual([THIRD]);

  const long = await openDns([FIRST], 3600);
  const other = openPool(urlOf(servers), long);
  expect(await allAnswering(other, 5)).toEqual([FIRST]);
  long.addresses = [SECOND];
  const before = dns.queries;
  await until(() => dns.queries > before, "a TTL of one second to end");
  expect(long.queries).toBe(1);
  expect(await allAnswering(other, 5)).toEqual([FIRST]);
});

test("a server that restarts at another address gets its calls within a second, whatever the TTL is", async () => {
  const servers = serversAt([FIRST, SECOND]);
  const dns = await openDns([FIRST], 3600);
  const pool = openPool(urlOf(servers), dns);
  expect(await answering(pool, "POST")).toBe(FIRST);
  dns.addresses = [SECOND];
  await servers[0]?.kill();
  const startedMs = performance.now();
  await until(async () => (await answering(pool, "POST")) === SECOND, "the new address", 5000);
  expect(performance.now() - startedMs).toBeLessThan(2000);
});

test("of two addresses, one that dies is not noticed by the callers", async () => {
  const servers = serversAt([FIRST, SECOND]);
  const pool = openPool(urlOf(servers), await openDns([FIRST, SECOND], 60));
  expect(await allAnswering(pool)).toEqual([FIRST, SECOND]);
  await servers[0]?.kill();
  for (let call = 0; call < 30; call++) expect(await answering(pool, "POST")).toBe(SECOND);
});

test("the last addresses stay in use while look-ups fail, and the log says so once", async () => {
  const servers = serversAt([FIRST]);
  const dns = await openDns([FIRST], 1);
  const log = new RecordingLog();
  const pool = openPool(urlOf(servers), dns, { "backend.dns_refresh_ms": 1000 }, log);
  expect(await answering(pool)).toBe(FIRST);
  dns.isBroken = true;
  await until(() => log.lines.some((line) => line.startsWith("upstream host name not resolved")), "the log");
  expect(await answering(pool)).toBe(FIRST);
  const before = dns.queries;
  await until(() => dns.queries > before, "another look-up");
  expect(log.lines.filter((line) => line.startsWith("upstream host name not resolved"))).toHaveLength(1);
});

test("a name without any address is unavailable, and works as soon as it has one", async () => {
  const servers = serversAt([FIRST]);
  const dns = await openDns([], 1);
  const pool = openPool(urlOf(servers), dns, { "backend.dns_refresh_ms": 1000 });
  expect(await answering(pool)).toBe("unavailable");
  dns.addresses = [FIRST];
  await until(async () => (await answering(pool)) === FIRST, "the first address", 5000);
});

test("a name with a TTL of 0 is looked up at most once a second", async () => {
  const servers = serversAt([FIRST]);
  const dns = await openDns([FIRST], 0);
  const pool = openPool(urlOf(servers), dns);
  const startedMs = performance.now();
  expect(await allAnswering(pool, 50)).toEqual([FIRST]);
  await until(() => dns.queries === 3, "the third look-up");
  expect(performance.now() - startedMs).toBeGreaterThan(1900);
});

describe("over TLS", () => {
  test("the certificate is verified for the name, while the connection goes to the address", async () => {
    const authority = await selfSigned("authority");
    const server = await issuedBy(authority, "server");
    const listener = Bun.serve({
      hostname: FIRST,
      port: 0,
      tls: { cert: server.certificate, key: server.key },
      fetch: (request) => Response.json({ at: request.headers.get("host") }),
    });
    opened.defer(() => listener.stop(true));
    const dns = await openDns([FIRST], 60);
    const ca = { "backend.ca_file": authority.certificateFile };
    const outcomeAt = (host: string) => answering(openPool(`https://${host}:${listener.port}`, dns, ca), "POST");
    expect(await outcomeAt(NAME)).toBe(`${NAME}:${listener.port}`);
    expect(await outcomeAt("wrong.test")).toBe("unavailable");
    expect(await outcomeAt(FIRST)).toBe("unavailable");
    const withoutCa = openPool(`https://${NAME}:${listener.port}`, dns);
    expect(await answering(withoutCa, "POST")).toBe("unavailable");
  });
});

test("a TTL from 1 s to 5 min is kept, other TTLs are cut, and without a TTL the next look-up follows after backend.dns_refresh_ms", () => {
  const hourMs = 3_600_000;
  expect([0, 2000, hourMs].map((ttlMs) => nextLookUpMs(ttlMs, 7000))).toEqual([1000, 2000, 300_000]);
  expect([7000, hourMs].map((refreshMs) => nextLookUpMs(undefined, refreshMs))).toEqual([7000, hourMs]);
});
