import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkConfig } from "../../../src/cli/config-check.ts";
import { Output } from "../../../src/cli/output/output.ts";
import { selfSigned } from "../../support/certificates.ts";
import type { ShellResult } from "../../support/cli/shell.ts";
import { Transcript } from "../../support/cli/transcript.ts";
import { ANY_PORTS, SERVE_ENV } from "../../support/serve-settings.ts";
import { openWorld, type World } from "../../support/world.ts";
import { startWrongServer, type WrongServer } from "../../support/wrong-servers.ts";

/**
 * Wrong configurations as newcomers write them. Each costs one line, which says what is wrong, where, and what to do. The lines are
 * in `transcripts/wrong-configurations.txt`. After a wanted change: `UPDATE_TRANSCRIPTS=1 bun test <this file>`.
 */

const { SALLYPORT_KEYS_CURRENT: SEED } = SERVE_ENV;
const URLS = '[backend]\nurl = "http://127.0.0.1:9000"\n[push]\nurl = "http://127.0.0.1:9001"\n';
const KEY = '[keys]\ncurrent_file = "current.key"\n';

interface Mistake {
  readonly what: string;
  /** The content of the file. Its rest is right. */
  readonly toml?: string;
  readonly yaml?: string;
  readonly json?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The arguments in place of the file. */
  readonly args?: string;
  /** The wrong part replaces the signing key. */
  readonly isKey?: boolean;
}

const ROUTE = '[[routes]]\nmessage_type = "user.profile.get"\nmethod = "GET"\npath = "/api/v1/user/profile"\n';

const withPath = (segment: string) => ROUTE.replace("/profile", `/${segment}`);
const PUBLIC = '[[public_routes]]\nmethod = "GET"\npath = "/api/v1/public/status"\n';

const MISTAKES: readonly Mistake[] = [
  { what: "A key is misspelt.", toml: "[streams]\nheartbeat = 25000" },
  { what: "A table is misspelt.", toml: "[straems]\nheartbeat_ms = 25000" },
  { what: "A key is written as in other programs.", toml: "[streams]\nheartbeatMs = 25000" },
  { what: "A key stands outside of its table.", toml: "drain_ms = 1000" },
  { what: "A setting stands in the wrong table.", toml: '[edge]\ntrusted_proxies = ["10.0.0.0/8"]' },
  { what: "A time has a unit, in quotation marks.", toml: '[streams]\nheartbeat_ms = "25s"' },
  { what: "A time has a unit.", toml: "[streams]\nheartbeat_ms = 25s" },
  { what: "A size has a unit.", toml: '[limits]\npayload_bytes_max = "256KiB"' },
  { what: "A number is a text.", toml: '[streams]\nheartbeat_ms = "25000"' },
  { what: "A number is out of bounds.", toml: "[streams]\ntotal_max = -1" },
  { what: "A boolean is a word.", yaml: "reflection:\n  enabled: yes" },
  { what: "A port stands alone.", toml: "[edge]\nlisten = 8080" },
  { what: "A port is a text.", toml: '[edge]\nlisten = ":8080"' },
  { what: "An IPv6 address has no brackets.", toml: '[edge]\nlisten = "::1:8080"' },
  { what: "A listener is a URL.", toml: '[edge]\nlisten = "http://0.0.0.0:8080"' },
  { what: "Two listeners have one port.", toml: '[edge]\nlisten = "0.0.0.0:8081"' },
  { what: "The admin listener is public.", toml: '[admin]\nlisten = "0.0.0.0:8082"' },
  { what: "A text has no quotation marks.", toml: "[push]\ngateway_id = gateway-1" },
  { what: "A text has the quotation marks of a word processor.", toml: "[log]\nlevel = “info”" },
  { what: "A text is not closed.", toml: '[log]\nlevel = "info' },
  { what: "A Windows path is in quotation marks.", toml: '[history]\ncheckpoint_file = "C:\\gateway\\checkpoint"' },
  { what: "A file is YAML with the name of TOML.", toml: "log:\n  level: info" },
  { what: "A file is TOML with the name of YAML.", yaml: '[log]\nlevel = "info"' },
  { what: "A tab indents YAML.", yaml: "log:\n\tlevel: info" },
  { what: "An address has no quotation marks in YAML.", yaml: "edge:\n  listen: [::]:8080" },
  { what: "A bracket is not closed in YAML.", yaml: 'cors:\n  origins: ["https://app.example"\nlog:\n  level: info' },
  { what: "A comma stands before a bracket in JSON.", json: '{\n  "log": { "level": "info", }\n}' },
  { what: "A comment stands in JSON.", json: '{\n  // the log\n  "log": { "level": "info" }\n}' },
  { what: "A key is given twice.", toml: '[log]\nlevel = "info"\nlevel = "warn"' },
  { what: "A table is given twice.", yaml: "log:\n  level: info\nlog:\n  format: json" },
  { what: "A choice is wrong.", toml: '[log]\nlevel = "warning"' },
  { what: "Routes are one table.", toml: ROUTE.replace("[[routes]]", "[routes]") },
  { what: "A message type has two routes.", toml: ROUTE + ROUTE },
  { what: "A route has another framework's variable.", toml: ROUTE.replace("/profile", "/:id") },
  { what: "Two routes make the same call.", toml: withPath("{id}") + withPath("{name}").replace(".get", ".find") },
  { what: "A route is outside of the prefixes.", toml: ROUTE.replace("/api/v1/user", "/v2") },
  { what: "A route has two calls.", toml: `${ROUTE}get = "/api/v1/user/profile"` },
  { what: "A GET has a body.", toml: `${ROUTE}body = "*"` },
  { what: "A field of a route is misspelt.", toml: `${ROUTE}timeout = 500` },
  { what: "A public route has the path of another one.", toml: PUBLIC + PUBLIC },
  { what: "A public route lacks its method.", toml: PUBLIC.replace('method = "GET"\n', "") },
  { what: "A route lacks its method.", toml: ROUTE.replace('method = "GET"\n', "") },
  { what: "The key file does not exist.", toml: '[keys]\ncurrent_file = "curent.key"', isKey: true },
  { what: "The key file is another kind of key.", toml: '[keys]\ncurrent_file = "pem.key"', isKey: true },
  { what: "The key file holds too few bytes.", toml: '[keys]\ncurrent_file = "short.key"', isKey: true },
  { what: "The seed stands in place of the file.", toml: `[keys]\ncurrent_file = "${SEED}"`, isKey: true },
  { what: "The file stands in place of the seed.", toml: '[keys]\ncurrent = "current.key"', isKey: true },
  { what: "There is no signing key.", toml: "", isKey: true },
  { what: "A range has a wrong prefix length.", toml: 'trusted_proxies = ["10.0.0.0/33"]' },
  { what: "A range lacks a number.", toml: 'trusted_proxies = ["10.0.0/8"]' },
  { what: "A range is a text.", toml: 'trusted_proxies = "10.0.0.0/8"' },
  { what: "A proxy is a name.", toml: 'trusted_proxies = ["proxy.internal"]' },
  { what: "An origin has a slash.", toml: '[cors]\norigins = ["https://app.example/"]' },
  { what: "An origin is a pattern.", toml: '[cors]\norigins = ["https://*.example"]' },
  { what: "TLS has no key.", toml: '[tls]\ncertificate_file = "certificate.pem"' },
  { what: "A TLS file does not exist.", toml: '[tls]\ncertificate_file = "certificate.pem"\nkey_file = "key.pem"' },
  { what: "The TLS key belongs to another certificate.", toml: '[tls]\ncertificate_file = "tls.pem"\nkey_file = "tls.key"' },
  { what: "A password stands in the wrong place.", toml: '[stores]\nredis.password = "hunter2"' },
  { what: "Redis has no URL.", toml: '[stores]\nkind = "redis"' },
  { what: "A variable is misspelt.", env: { SALLYPORT_LOG_LEVL: "info" } },
  { what: "A variable is of another program.", env: { SALLYPORT_WEBHOOKS: "on" } },
  { what: "A variable has quotation marks, as from an env file.", env: { SALLYPORT_BACKEND_URL: '"http://127.0.0.1:9000"' } },
  { what: "A boolean variable is a number.", env: { SALLYPORT_REFLECTION_ENABLED: "1" } },
  { what: "A URL has no scheme.", env: { SALLYPORT_BACKEND_URL: "127.0.0.1:9000" } },
  { what: "A URL has the scheme of another program.", env: { SALLYPORT_PUSH_URL: "grpc://127.0.0.1:9001" } },
  { what: "A URL has the scheme of another protocol.", env: { SALLYPORT_BACKEND_URL: "ftp://127.0.0.1:9000" } },
  { what: "The table of routes is misspelt.", toml: '[[route]]\nmessage_type = "a.b"\nget = "/api/v1/user/x"' },
  { what: "A URL has a password.", env: { SALLYPORT_BACKEND_URL: "http://gateway:hunter2@127.0.0.1:9000" } },
  { what: "The token has its scheme.", env: { SALLYPORT_BACKEND_TOKEN: "Bearer hunter2" } },
  { what: "The file does not exist.", args: "--config gatway.toml" },
  { what: "The file has another format.", args: "--config gateway.conf" },
];

/** Writes the file of a mistake, and returns its name. */
function fileOf({ toml, yaml, json, isKey = false }: Mistake, folder: string): { name: string; content: string } | undefined {
  const [format, content] = Object.entries({ toml, yaml, json }).find(([, text]) => text !== undefined) ?? [];
  if (content === undefined) return undefined;
  const name = `gateway.${format}`;
  writeFileSync(join(folder, name), `${content}\n`, { mode: 0o600 });
  expect(isKey && format !== "toml").toBe(false);
  return { name, content };
}

async function prepare(folder: string): Promise<void> {
  const own = await selfSigned("own.test");
  const other = await selfSigned("other.test");
  const files = {
    "right.toml": URLS + KEY,
    "current.key": SEED,
    "short.key": "c2hvcnQ=",
    "pem.key": "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n",
    "tls.pem": own.certificate,
    "tls.key": other.key,
  };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), 0o600);
  }
}

/** Collects what a command prints. */
class Recorder extends Output {
  text = "";

  override write(data: string | Uint8Array): Promise<void> {
    this.text += String(data);
    return Promise.resolve();
  }
}

/** Runs `sallyport config check` in this process. What is right comes from variables, so that the file holds only the mistake. */
async function check(mistake: Mistake, file: string | undefined): Promise<ShellResult> {
  const { SALLYPORT_KEYS_CURRENT: seed, ...urls } = SERVE_ENV;
  const env = { ...urls, ...(mistake.isKey !== true && { SALLYPORT_KEYS_CURRENT: seed }), ...mistake.env };
  const argv = mistake.args?.split(" ") ?? (file === undefined ? [] : ["--config", file]);
  const output = new Recorder({ isColourOff: true });
  const code = await checkConfig({ argv, env }, output);
  return { code, out: output.text, err: "" };
}

const folderBefore = process.cwd();
afterEach(() => process.chdir(folderBefore));

test("each wrong configuration costs one line that says what, where and what to do", async () => {
  const transcript = new Transcript("wrong-configurations");
  await prepare(transcript.shell.folder);
  process.chdir(transcript.shell.folder);
  for (const mistake of MISTAKES) {
    transcript.comment(mistake.what);
    const file = fileOf(mistake, transcript.shell.folder);
    for (const line of file?.content.trimEnd().split("\n") ?? []) transcript.comment(`    ${line}`);
    const variables = Object.entries(mistake.env ?? {}).map(([name, value]) => `${name}='${value}' `);
    const result = await check(mistake, file?.name);
    transcript.record(`${variables.join("")}sallyport config check ${mistake.args ?? file?.name ?? ""}`.trimEnd(), result);
    const problems = result.out.split("\n").filter((each) => /^(error|warning) /.test(each));
    expect({ what: mistake.what, problems: problems.length }).toEqual({ what: mistake.what, problems: 1 });
    expect(result.code).toBe(problems[0]?.startsWith("warning") === true ? 0 : 2);
    expect(result.out).not.toContain("hunter2");
  }
  const { recorded, expected } = transcript.finish();
  expect(recorded).toBe(expected);
});

test("there are at least thirty", () => expect(MISTAKES.length).toBeGreaterThanOrEqual(30));

describe("with --probe, a URL that names the wrong server costs one line for each wrong setting", () => {
  let world: World;
  const opened: WrongServer[] = [];
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(async () => {
    for (const each of opened) each.stop();
    await world.close();
  });
  const httpsOf = (url: string) => url.replace("http:", "https:");
  const openTls = async (kind: "HTTP/1.1 over TLS" | "HTTP/2 over TLS") => {
    const server = await startWrongServer(kind);
    opened.push(server);
    return `http://127.0.0.1:${server.port}`;
  };

  const WRONG_URLS: readonly [string, () => Record<string, string> | Promise<Record<string, string>>, readonly RegExp[]][] = [
    [
      "The backend's URL has https, and the backend no TLS.",
      () => ({ BACKEND_URL: httpsOf(world.backend.restUrl) }),
      [/^error {4}backend\.url: \S+: it does not use TLS; write http:\/\/ instead of https:\/\/ in backend\.url$/],
    ],
    [
      "The backend's URL has http, and the backend TLS.",
      async () => ({ BACKEND_URL: await openTls("HTTP/1.1 over TLS") }),
      [/^error {4}backend\.url: \S+: it uses TLS; write https:\/\/ instead of http:\/\/ in backend\.url$/],
    ],
    [
      "The push service's URL has https, and the service no TLS.",
      () => ({ PUSH_URL: httpsOf(world.backend.pushUrl) }),
      [/^error {4}push\.url: \S+: the server does not use TLS; write http:\/\/ instead of https:\/\/ in push\.url$/],
    ],
    [
      "The push service's URL has http, and the service TLS.",
      async () => ({ PUSH_URL: await openTls("HTTP/2 over TLS") }),
      [/^error {4}push\.url: \S+: the server uses TLS; write https:\/\/ instead of http:\/\/ in push\.url$/],
    ],
    [
      "The URLs are swapped.",
      () => ({ BACKEND_URL: world.backend.pushUrl, PUSH_URL: world.backend.restUrl }),
      [
        /^error {4}backend\.url: .* are backend\.url and push\.url swapped\?$/,
        /^error {4}push\.url: .*and not its REST interface$/,
      ],
    ],
    [
      "The push service's URL has a path.",
      () => ({ PUSH_URL: `${world.backend.pushUrl}/sallyport.v1.Push` }),
      [/^error {4}push\.url: .*; remove the path from push\.url: the gateway appends \S+ itself$/],
    ],
    [
      "The backend's URL has a path of the API.",
      () => ({ BACKEND_URL: `${world.backend.restUrl}/api/v1` }),
      [/^warning {2}backend\.url: .*; are backend\.session_path and the path of backend\.url right\?$/],
    ],
    [
      "No server listens at the port.",
      () => ({ BACKEND_URL: "http://127.0.0.1:1" }),
      [/^error {4}backend\.url: \S+: no server listens there \(ECONNREFUSED\); start it, or correct backend\.url$/],
    ],
  ];

  test.each(WRONG_URLS)(
    "%s",
    async (_, variables, expected) => {
      const named = Object.entries({
        BACKEND_URL: world.backend.restUrl,
        PUSH_URL: world.backend.pushUrl,
        ...(await variables()),
      });
      const env = { ...SERVE_ENV, ...Object.fromEntries(named.map(([name, url]) => [`SALLYPORT_${name}`, url])) };
      const output = new Recorder({ isColourOff: true });
      const code = await checkConfig({ argv: ANY_PORTS, env, isProbing: true }, output);
      const problems = output.text
        .split("\n")
        .filter((line) => /^\S+ +(backend|push)\.url: /.test(line) && !line.startsWith("ok"));
      expect(problems).toHaveLength(expected.length);
      for (const [index, pattern] of expected.entries()) expect(problems[index]).toMatch(pattern);
      expect(code).toBe(problems.some((line) => line.startsWith("error")) ? 1 : 0);
    },
    60_000,
  );
});
