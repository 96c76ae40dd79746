import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { selfSigned } from "../support/certificates.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { until } from "../support/until.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { Driver } from "./driver.ts";
import { goClient, PREPARE_TIMEOUT_MS, pythonClient } from "./toolchain.ts";

interface LibraryClient {
  readonly name: string;
  readonly program: "go" | "python";
  readonly listener: "edge" | "grpc";
  readonly args: readonly string[];
}

const connectGo = (protocol: string, http: string, listener: "edge" | "grpc"): LibraryClient => ({
  name: `connect-go, ${protocol} over HTTP/${http}${listener === "grpc" ? " on the gRPC listener" : ""}`,
  program: "go",
  listener,
  args: ["-protocol", protocol, "-http", http],
});

const CLIENTS: readonly LibraryClient[] = [
  { name: "grpc-go", program: "go", listener: "grpc", args: ["-protocol", "grpc-go"] },
  { name: "grpcio, Python", program: "python", listener: "grpc", args: [] },
  connectGo("grpc", "2", "grpc"),
  connectGo("connect", "1.1", "edge"),
  connectGo("connect", "2", "edge"),
  connectGo("connect-json", "1.1", "edge"),
  connectGo("grpc-web", "1.1", "edge"),
  connectGo("grpc-web", "2", "edge"),
  connectGo("connect", "2", "grpc"),
];

/** Warnings and errors in the logs of grpc-go (`WARNING: `) and grpcio (`W1105 `), except grpcio's warning about the log level itself. */
const LIBRARY_WARNING = /\b(WARNING|ERROR|FATAL): |^[WEF]\d{4} (?!.*Log level INFO is not suitable)|^panic|Traceback/m;

/** The command line of each program, after it is built. */
const programs: Record<LibraryClient["program"], readonly string[]> = { go: [], python: [] };

/** Clients in other languages, with the usual gRPC and Connect libraries and their own implementation of signing. */
export function clientSuite(): void {
  beforeAll(async () => {
    programs.go = await goClient();
    programs.python = await pythonClient();
  }, PREPARE_TIMEOUT_MS);

  describe.each([{ security: "without TLS" }, { security: "with TLS" }])("$security", ({ security }) => {
    let world: World;
    let trust: readonly string[] = [];

    beforeAll(async () => {
      if (security === "with TLS") {
        const { certificate, certificateFile, keyFile } = await selfSigned("interop.test");
        const files = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
        world = await openWorld(files, { tls: { ca: certificate } });
        trust = ["-ca", certificateFile];
      } else {
        world = await openWorld();
      }
    });
    afterAll(() => world.close());

    /** Without a device, the step `login` opens a session. */
    function start({ program, listener, args }: LibraryClient, device?: Device): Driver {
      const { edgeUrl, grpcUrl } = world.gateway;
      const urls = ["-edge", edgeUrl, "-url", listener === "edge" ? edgeUrl : grpcUrl];
      const session = device && ["-session", device.deviceSessionId, "-seed", device.deviceKey.exportSeed().toHex()];
      return new Driver([...programs[program], ...args, ...urls, ...trust, ...(session ?? [])]);
    }

    describe.each(CLIENTS)("$name", (kind) => {
      let device: Device;
      let client: Driver;
      beforeAll(async () => {
        device = await world.login();
        client = start(kind, device);
      });
      afterAll(() => client.kill());

      test("a response verifies", async () => {
        const answer = await client.run({ do: "call", message_type: "user.profile.get" });
        expect(answer.result_code).toBe("ok");
        expect(JSON.parse(answer.payload ?? "")).toMatchObject({ user_id: device.userId });
      });

      test("a business error is a response that verifies", async () => {
        const answer = await client.run({ do: "call", message_type: "user.profile.update", payload: '{"display_name":7}' });
        expect(answer).toMatchObject({ result_code: expect.not.stringMatching(/^ok$/) });
      });

      test("a compressed request gets the right response", async () => {
        world.faults.on("/api/v1/user/test/wait", async (request) => Response.json(await request.json()));
        const payload = JSON.stringify({ text: "sallyport ".repeat(1000) });
        const answer = await client.run({ do: "call", message_type: "test.wait", payload, gzip: true });
        expect(answer).toMatchObject({ result_code: "ok", payload });
      });

      test("a refusal has its reason and metadata", async () => {
        await client.run({ do: "call", message_type: "user.profile.get" });
        expect((await client.run({ do: "repeat" })).error).toMatchObject({
          code: "failed_precondition",
          reason: "REQUEST_REPLAYED",
          domain: "sallyport.v1",
        });
        const stale = await client.run({ do: "call", message_type: "user.profile.get", signed_ms_ago: 120_000 });
        expect(stale.error).toMatchObject({
          code: "failed_precondition",
          reason: "TIMESTAMP_OUT_OF_WINDOW",
          metadata: { server_time_ms: expect.stringMatching(/^\d{13}$/), window_ms: "60000" },
        });
      });

      test("events verify; a cancelled stream ends at the gateway, and the connection stays usable", async () => {
        const first = await client.run({ do: "subscribe" });
        expect(first).toMatchObject({ event_type: "gateway.server_time", audience: `session:${device.deviceSessionId}` });
        expect(JSON.parse(first.payload ?? "")).toMatchObject({ user_id: device.userId, resumed: false });
        expect(await metric(world.gateway, "sallyport_streams")).toBe(1);

        await world.push({ user_id: device.userId, event_type: "chat.message", payload: { text: "Grüße" } });
        const event = await client.run({ do: "next" });
        expect(event).toMatchObject({ event_type: "chat.message", audience: `user:${device.userId}` });
        expect(JSON.parse(event.payload ?? "")).toEqual({ text: "Grüße" });

        expect((await client.run({ do: "cancel" })).error?.code).toBe("canceled");
        await until(async () => (await metric(world.gateway, "sallyport_streams")) === 0, "the stream to end");
        expect((await client.run({ do: "call", message_type: "user.profile.get" })).result_code).toBe("ok");
      });

      test("a revoked session's stream ends with SESSION_REVOKED", async () => {
        const revoked = await world.login();
        const other = start(kind, revoked);
        expect((await other.run({ do: "subscribe" })).event_type).toBe("gateway.server_time");
        await world.revoke({ device_session_id: revoked.deviceSessionId });
        expect((await other.run({ do: "next" })).error).toMatchObject({
          code: "failed_precondition",
          reason: "SESSION_REVOKED",
        });
        expect(await other.close()).not.toMatch(LIBRARY_WARNING);
      });

      test("a client's deadline ends the call and aborts the backend's request", async () => {
        const aborted = Promise.withResolvers<void>();
        world.faults.on("/api/v1/user/test/wait", ({ signal }) => {
          signal.addEventListener("abort", () => aborted.resolve());
          return new Promise<Response>(() => {});
        });
        const { error, elapsed_ms } = await client.run({ do: "call", message_type: "test.wait", timeout_ms: 200 });
        expect(error?.code).toBe("deadline_exceeded");
        expect(elapsed_ms).toBeWithin(190, 2000);
        await aborted.promise;
      });

      test("a backend slower than the timeout of its route is refused with BACKEND_TIMEOUT", async () => {
        world.faults.on("/api/v1/user/test/slow", () => new Promise<Response>(() => {}));
        const { error } = await client.run({ do: "call", message_type: "test.slow", timeout_ms: 10_000 });
        expect(error).toMatchObject({ code: "deadline_exceeded", reason: "BACKEND_TIMEOUT" });
      });

      test.each(["ES256", "EdDSA"] as const)(
        "a session that the client opens with an %s key: login, command, events, revocation",
        async (algorithm) => {
          const own = start(kind);
          const { challengeId, code } = await world.emailCode();
          const login = await own.run({ do: "login", challenge_id: challengeId, code, algorithm });
          const { device_session_id = "" } = login;
          const record = await (await fetch(`${world.backend.restUrl}${sessionPath(device_session_id)}`)).json();
          expect(record).toMatchObject({ device_session_id, client_key_algorithm: algorithm });

          const answer = await own.run({ do: "call", message_type: "user.profile.get" });
          expect(answer.result_code).toBe("ok");
          expect(JSON.parse(answer.payload ?? "")).toMatchObject({ user_id: record.user_id });
          expect((await own.run({ do: "repeat" })).error?.reason).toBe("REQUEST_REPLAYED");

          expect((await own.run({ do: "subscribe" })).event_type).toBe("gateway.server_time");
          await world.push({ device_session_id, event_type: "chat.message", payload: { text: "Grüße" } });
          expect(await own.run({ do: "next" })).toMatchObject({ event_type: "chat.message", payload: '{"text":"Grüße"}' });
          await world.revoke({ device_session_id });
          expect((await own.run({ do: "next" })).error?.reason).toBe("SESSION_REVOKED");
          expect(await own.close()).not.toMatch(LIBRARY_WARNING);
        },
      );

      test("the client's library logged no warning", async () => {
        expect(await client.close()).not.toMatch(LIBRARY_WARNING);
      });
    });

    test("the gateway logged no warning or error except for the slow backend", () => {
      const lines = world.logged().split("\n");
      const problems = lines.filter((line) => /"level":"(warn|error)"/.test(line) && !line.includes('"failure":"timeout"'));
      expect(problems).toEqual([]);
    });
  });
}
