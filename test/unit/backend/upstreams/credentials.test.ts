import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import type { UpstreamPool } from "../../../../src/backend/upstreams/upstream-pool.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { TlsFilesError } from "../../../../src/core/start-error.ts";
import { type Certificate, issuedBy, selfSigned } from "../../../support/certificates.ts";
import { HttpServer } from "../../../support/http-servers.ts";
import { until } from "../../../support/until.ts";
import { openUpstreams } from "../../../support/upstreams.ts";
import { http } from "../support/raw-server.ts";
import { RecordingLog } from "../support/recorders.ts";

/** The token, the client certificate and the authorities for the backend, from files that change. */

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "sallyport-credentials-"));
  opened.defer(() => rmSync(path, { recursive: true }));
  return path;
}

/** Replaces a file in one step, as tools that rotate secrets do. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function openPool(settings: Partial<Config>, log = new RecordingLog()): UpstreamPool {
  const upstreams = openUpstreams({ "tls.reload_ms": 100, ...settings }, { log });
  opened.defer(() => upstreams.close());
  return upstreams.pool("commands", 8, 4096);
}

function call(pool: UpstreamPool): Promise<string> {
  const request = { method: "GET", target: "/x", headers: {}, timeoutMs: 2000 } as const;
  return pool.call(request, ({ body }) => Buffer.from(body).toString()).catch((failure) => failure.kind);
}

test("a token file that rotates applies to the next calls, and a bad one does not", async () => {
  const server = new HttpServer((request) => Response.json(request.headers.get("authorization")));
  opened.defer(() => server.kill());
  const file = join(folder(), "token");
  writeFileSync(file, "first\n");
  const log = new RecordingLog();
  const pool = openPool({ "backend.url": server.url, "backend.token_file": file }, log);
  expect(await call(pool)).toBe('"Bearer first"');
  replace(file, "second");
  await until(async () => (await call(pool)) === '"Bearer second"', "the second token");
  replace(file, "not a token\r\nX-Injected: 1");
  await until(() => log.lines.some((line) => line.startsWith("backend credential files unusable")), "the log");
  expect(await call(pool)).toBe('"Bearer second"');
  expect(log.lines.join("\n")).not.toContain("Injected");
  replace(file, "third");
  await until(async () => (await call(pool)) === '"Bearer third"', "the third token");
});

/** A server that requires a client certificate, and answers with the name of the client. */
async function mutualServer(authority: Certificate, own: Certificate): Promise<string> {
  const options = { cert: own.certificate, key: own.key, ca: authority.certificate, requestCert: true };
  const server = createServer({ ...options, rejectUnauthorized: true }, (socket) => {
    socket.on("error", () => {});
    const body = JSON.stringify(socket.getPeerCertificate().subject.CN);
    socket.on("data", () => socket.write(http(200, { "content-type": "application/json" }, body)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.defer(() => void server.close());
  const address = server.address();
  return `https://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

test("the backend sees the client certificate (mTLS), and its renewal", async () => {
  const authority = await selfSigned("authority");
  const url = await mutualServer(authority, await issuedBy(authority, "server"));
  const ca = { "backend.url": url, "backend.ca_file": authority.certificateFile };
  expect(await call(openPool(ca))).toBe("unavailable");

  const first = await issuedBy(authority, "gateway-1");
  const files = { "backend.certificate_file": first.certificateFile, "backend.key_file": first.keyFile };
  const pool = openPool({ ...ca, ...files });
  expect(await call(pool)).toBe('"gateway-1"');
  const second = await issuedBy(authority, "gateway-2");
  replace(first.keyFile, second.key);
  replace(first.certificateFile, second.certificate);
  await until(async () => (await call(pool)) === '"gateway-2"', "the renewed certificate");
});

test("files that cannot be used stop the start, and the error names setting and file", async () => {
  const authority = await selfSigned("authority");
  const [one, other] = [await issuedBy(authority, "one"), await issuedBy(authority, "other")];
  const path = join(folder(), "bad");
  writeFileSync(path, "rubbish");
  const url = { "backend.url": "https://127.0.0.1:1" };
  const problem = (settings: Partial<Config>) => {
    try {
      openPool({ ...url, ...settings });
      return "none";
    } catch (error) {
      return error instanceof TlsFilesError ? error.message : String(error);
    }
  };
  expect(problem({ "backend.ca_file": path })).toStartWith(`backend.ca_file (${path}): `);
  expect(problem({ "backend.ca_file": "/nowhere/ca.pem" })).toStartWith("backend.ca_file (/nowhere/ca.pem) cannot be read");
  expect(problem({ "backend.token_file": join(path, "x") })).toStartWith(`backend.token_file (${path}/x) cannot be read`);
  const pair = { "backend.certificate_file": one.certificateFile, "backend.key_file": other.keyFile };
  expect(problem(pair)).toContain("the key does not belong to the certificate");
});
