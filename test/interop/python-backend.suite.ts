import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { SallyportClient } from "../../src/client/client.ts";
import { reasonOf } from "../../src/client/errors.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { confirmEmailCode, sendEmailCode } from "../../src/client/login.ts";
import { RequestSigner } from "../../src/client/request-signer.ts";
import { generateDeviceKey } from "../../src/client/webcrypto-key.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { confirmEs256, es256DeviceKey } from "../support/es256-device.ts";
import { type Command, runCommand } from "../support/process.ts";
import { until } from "../support/until.ts";
import { PREPARE_TIMEOUT_MS, pythonBackend } from "./toolchain.ts";

const READY_MS = 15_000;

/** The backend of proto/examples, in Python, behind `sallyport serve`, configured as its page says. */
export function pythonBackendSuite(): void {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-python-"));
  let backend: Bun.Subprocess<"ignore", "pipe", "inherit">;
  let lines: AsyncIterator<Record<string, string>>;
  let gateway: Command;
  let baseUrl: string;

  beforeAll(async () => {
    backend = Bun.spawn([...(await pythonBackend()), "--http", "127.0.0.1:0", "--push", "127.0.0.1:0"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    lines = jsonLines(backend.stdout);
    const { http = "", push = "" } = await next();
    const config = join(folder, "gateway.toml");
    await Bun.write(config, configOfThePage(await page(), { http, push, key: join(folder, "current.key") }));
    expect(await runCommand(["keygen", "--out", join(folder, "current.key")]).exited).toBe(0);
    const anyPort = ["edge.listen", "grpc.listen", "admin.listen"].flatMap((key) => ["--set", `${key}=127.0.0.1:0`]);
    // The tests log in more often than the default budget allows.
    const roomy = ["--set", "budgets.public_auth.burst=100"];
    gateway = runCommand(["serve", "--config", config, ...anyPort, ...roomy], {});
    await until(() => gateway.stdout().includes('"push feed up"'), `the push feed`, READY_MS);
    const up =
      gateway
        .stdout()
        .split("\n")
        .find((line) => line.includes('"edge":')) ?? "{}";
    baseUrl = JSON.parse(up).edge;
  }, PREPARE_TIMEOUT_MS);

  afterAll(async () => {
    gateway?.kill("SIGTERM");
    backend?.kill();
    await Promise.all([gateway?.exited, backend?.exited]);
    rmSync(folder, { recursive: true });
  });

  test("from login over a command and its event to revocation", async () => {
    const { challengeId } = await sendEmailCode({ baseUrl, email: "ada@example.com" });
    const { code = "" } = await next();
    const credentials = await confirmEmailCode({ baseUrl, challengeId, code, deviceKey: await generateDeviceKey() });
    const transport = createConnectTransport({ baseUrl });
    const client = new SallyportClient({ transport, credentials, keys: new GatewayKeys(baseUrl) });
    const events = client.openStream();
    expect((await events.next()).value).toMatchObject({ eventType: "gateway.server_time" });

    expect(await client.execute("user.profile.update", { display_name: "" })).toMatchObject({
      resultCode: "display_name_empty",
    });
    expect(await client.execute("user.profile.update", { display_name: "Ada" })).toMatchObject({ resultCode: "ok" });
    expect((await events.next()).value).toMatchObject({ eventType: "profile.changed", payload: { display_name: "Ada" } });

    expect(await client.execute("user.profile.get")).toMatchObject({ resultCode: "ok", payload: { display_name: "Ada" } });

    expect(await client.execute("user.session.end")).toMatchObject({ resultCode: "ok" });
    const end = await events.next().catch((error: unknown) => reasonOf(error));
    expect(end).toBe("SESSION_REVOKED");
    expect(await client.execute("user.profile.update", {}).catch((error: unknown) => reasonOf(error))).toBe("SESSION_REVOKED");
  });

  test("a device with an ES256 key logs in and sends a command", async () => {
    const { challengeId } = await sendEmailCode({ baseUrl, email: "grace@example.com" });
    const { code = "" } = await next();
    const deviceKey = es256DeviceKey();
    const deviceSessionId = await confirmEs256(baseUrl, { challengeId, code }, deviceKey);
    const signer = new RequestSigner({ deviceSessionId, deviceKey });
    const request = await signer.sign("user.profile.update", new TextEncoder().encode('{"display_name":"Grace"}'));
    const client = createClient(Gateway, createConnectTransport({ baseUrl }));
    expect((await client.executeCommand(request)).envelope?.resultCode).toBe("ok");
  });

  test("a wrong code is the backend's refusal, and the code still works", async () => {
    const { challengeId } = await sendEmailCode({ baseUrl, email: "bob@example.com" });
    const { code = "" } = await next();
    const deviceKey = await generateDeviceKey();
    const wrong = confirmEmailCode({ baseUrl, challengeId, code: code === "000000" ? "000001" : "000000", deviceKey });
    expect(await wrong.catch((error: { code?: string }) => error.code)).toBe("code_wrong");
    expect(await confirmEmailCode({ baseUrl, challengeId, code, deviceKey })).toHaveProperty("deviceSessionId");
  });

  async function next(): Promise<Record<string, string>> {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the backend ended");
    return value;
  }
}

function page(): Promise<string> {
  return Bun.file(join(import.meta.dir, "../../proto/examples/README.md")).text();
}

/** The configuration that the page shows, with the addresses and the key file of this run. */
function configOfThePage(markdown: string, { http, push, key }: { http: string; push: string; key: string }): string {
  const [, toml = ""] = /```toml\n([\s\S]*?)```/.exec(markdown) ?? [];
  return toml.replace("http://127.0.0.1:9000", http).replace("http://127.0.0.1:9001", push).replace("current.key", key);
}

async function* jsonLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<Record<string, string>, undefined, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}
