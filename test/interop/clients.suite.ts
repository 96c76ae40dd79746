import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { selfSigned } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { Driver } from "./driver.ts";
import { goClient, PREPARE_TIMEOUT_MS, pythonClient } from "./toolchain.ts";

interface ForeignClient {
  readonly name: string;
  readonly program: "go" | "python";
  readonly listener: "edge" | "grpc";
  readonly args: readonly string[];
}

const connectGo = (protocol: string, http: string, listener: "edge" | "grpc"): ForeignClient => ({
  name: `connect-go, ${protocol} over HTTP/${http}${listener === "grpc" ? " on the gRPC listener" : ""}`,
  program: "go",
  listener,
  args: ["-protocol", protocol, "-http", http],
});

const CLIENTS: readonly ForeignClient[] = [
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

/** What a library says of what it had to put up with: grpc-go in words, grpcio in letters. That we ask to be told does not count. */
const COMPLAINT = /\b(WARNING|ERROR|FATAL): |^[WEF]\d{4} (?!.*Log level INFO is not suitable)|^panic|Traceback/m;

/** How to start each program, once it is made. */
const programs: Record<ForeignClient["program"], readonly string[]> = { go: [], python: [] };

/** Clients of other languages, with the libraries that people use there and signatures of their own making. */
export function clientSuite(): void {
  beforeAll(async () => {
    programs.go = await goClient();
    programs.python = await pythonClient();
  }, PREPARE_TIMEOUT_MS);

  describe.each([{ security: "in the clear" }, { security: "TLS" }])("$security", ({ security }) => {
    let world: World;
    let trust: readonly string[] = [];

    beforeAll(async () => {
      if (security === "TLS") {
        const { certificate, certificateFile, keyFile } = await selfSigned("interop.test");
        const files = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
        world = await openWorld(files, { tls: { ca: certificate } });
        trust = ["-ca", certificateFile];
      } else {
        world = await openWorld();
      }
    });
    afterAll(() => world.close());

    function start({ program, listener, args }: ForeignClient, device: Device): Driver {
      const { edgeUrl, grpcUrl } = world.gateway;
      const urls = ["-edge", edgeUrl, "-url", listener === "edge" ? edgeUrl : grpcUrl];
      const seed = device.deviceKey.exportSeed().toHex();
      return new Driver([...programs[program], ...args, ...urls, ...trust, "-session", device.deviceSessionId, "-seed", seed]);
    }

    describe.each(CLIENTS)("$name", (foreign) => {
      let device: Device;
      let client: Driver;
      beforeAll(async () => {
        device = await world.login();
        client = start(foreign, device);
      });
      afterAll(() => client.kill());

      test("a command is answered with a signature that verifies", async () => {
        const answer = await client.take({ do: "call", message_type: "user.profile.get" });
        expect(answer.result_code).toBe("ok");
        expect(JSON.parse(answer.payload ?? "")).toMatchObject({ user_id: device.userId });
      });

      test("a backend's no is a signed answer", async () => {
        const answer = await client.take({ do: "call", message_type: "user.profile.update", payload: '{"display_name":7}' });
        expect(answer).toMatchObject({ result_code: expect.not.stringMatching(/^ok$/) });
      });

      test("a request and an answer that are compressed arrive whole", async () => {
        world.faults.on("/api/v1/user/test/wait", async (request) => Response.json(await request.json()));
        const payload = JSON.stringify({ text: "sallyport ".repeat(1000) });
        const answer = await client.take({ do: "call", message_type: "test.wait", payload, gzip: true });
        expect(answer).toMatchObject({ result_code: "ok", payload });
      });

      test("a refusal tells its reason, and what to do about it", async () => {
        await client.take({ do: "call", message_type: "user.profile.get" });
        expect((await client.take({ do: "repeat" })).error).toMatchObject({
          code: "failed_precondition",
          reason: "REQUEST_REPLAYED",
          domain: "sallyport.v1",
        });
        const stale = await client.take({ do: "call", message_type: "user.profile.get", signed_ms_ago: 120_000 });
        expect(stale.error).toMatchObject({
          code: "failed_precondition",
          reason: "TIMESTAMP_OUT_OF_WINDOW",
          metadata: { server_time_ms: expect.stringMatching(/^\d{13}$/), window_ms: "60000" },
        });
      });

      test("events arrive signed; a stream that is cancelled is gone from the gateway, and the connection serves on", async () => {
        const first = await client.take({ do: "subscribe" });
        expect(first).toMatchObject({ event_type: "gateway.server_time", audience: `session:${device.deviceSessionId}` });
        expect(JSON.parse(first.payload ?? "")).toMatchObject({ user_id: device.userId, resumed: false });
        expect(await metric(world.gateway, "sallyport_streams")).toBe(1);

        await world.push({ user_id: device.userId, event_type: "chat.message", payload: { text: "Grüße" } });
        const event = await client.take({ do: "next" });
        expect(event).toMatchObject({ event_type: "chat.message", audience: `user:${device.userId}` });
        expect(JSON.parse(event.payload ?? "")).toEqual({ text: "Grüße" });

        expect((await client.take({ do: "cancel" })).error?.code).toBe("canceled");
        await until(async () => (await metric(world.gateway, "sallyport_streams")) === 0, "the stream to be gone");
        expect((await client.take({ do: "call", message_type: "user.profile.get" })).result_code).toBe("ok");
      });

      test("a stream ends with the reason", async () => {
        const revoked = await world.login();
        const other = start(foreign, revoked);
        expect((await other.take({ do: "subscribe" })).event_type).toBe("gateway.server_time");
        await world.revoke({ device_session_id: revoked.deviceSessionId });
        expect((await other.take({ do: "next" })).error).toMatchObject({
          code: "failed_precondition",
          reason: "SESSION_REVOKED",
        });
        expect(await other.close()).not.toMatch(COMPLAINT);
      });

      test("a client's deadline reaches the backend, and ends the call in time", async () => {
        const left = Promise.withResolvers<void>();
        world.faults.on("/api/v1/user/test/wait", ({ signal }) => {
          signal.addEventListener("abort", () => left.resolve());
          return new Promise<Response>(() => {});
        });
        const { error, elapsed_ms } = await client.take({ do: "call", message_type: "test.wait", timeout_ms: 200 });
        expect(error?.code).toBe("deadline_exceeded");
        expect(elapsed_ms).toBeWithin(190, 2000);
        await left.promise;
      });

      test("a backend that is slower than its route allows is the gateway's to report", async () => {
        world.faults.on("/api/v1/user/test/slow", () => new Promise<Response>(() => {}));
        const { error } = await client.take({ do: "call", message_type: "test.slow", timeout_ms: 10_000 });
        expect(error).toMatchObject({ code: "deadline_exceeded", reason: "BACKEND_TIMEOUT" });
      });

      test("the client's library found nothing to complain about", async () => {
        expect(await client.close()).not.toMatch(COMPLAINT);
      });
    });

    test("the gateway logged no error", () => {
      expect(world.logged()).not.toMatch(/"level":"(warn|error)"/);
    });
  });
}
