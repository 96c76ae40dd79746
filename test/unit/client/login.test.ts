import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type DeviceKey, generateExportableDeviceKey, type KeyAlgorithm } from "../../../src/client/device-key.ts";
import { confirmEmailCode, login, sendEmailCode } from "../../../src/client/login.ts";
import { RestError } from "../../../src/client/rest.ts";

let answer: (request: Request) => Response | Promise<Response> = () => new Response();
let server: Bun.Server<undefined>;
let baseUrl = "";

beforeAll(() => {
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request) });
  baseUrl = server.url.href;
});
afterAll(() => server.stop(true));

async function failureOf(promise: Promise<unknown>): Promise<RestError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RestError)) throw new Error(`RestError expected, got ${error}`);
  return error;
}

const send = () => sendEmailCode({ baseUrl, email: "ada@example.com" });

describe("login", () => {
  test("sends the requests of the contract and returns challenge and session", async () => {
    const seen: unknown[] = [];
    answer = async (request) => {
      seen.push([request.method, new URL(request.url).pathname, request.headers.get("content-type"), await request.json()]);
      return Response.json(seen.length === 1 ? { challenge_id: "c-1" } : { device_session_id: "ds-1" });
    };
    const deviceKey = await generateExportableDeviceKey();
    const metadata = { device_name: "kitchen lamp" };
    const { challengeId } = await sendEmailCode({ baseUrl, email: "ada@example.com", metadata });
    const credentials = await confirmEmailCode({ baseUrl, challengeId, code: "123456", deviceKey });
    const key = Buffer.from(deviceKey.publicKey).toString("base64");
    expect(credentials).toEqual({ deviceSessionId: "ds-1", deviceKey });
    expect(seen).toEqual([
      ["POST", "/api/v1/public/auth/send-email-code", "application/json", { email: "ada@example.com", metadata }],
      [
        "POST",
        "/api/v1/public/auth/confirm-email-code",
        "application/json",
        { challenge_id: "c-1", code: "123456", client_public_key: key },
      ],
    ]);
  });

  test("rejects with the code, message and retry delay of the answer", async () => {
    answer = () =>
      Response.json({ code: "rate_limited", message: "slow down" }, { status: 429, headers: { "retry-after": "7" } });
    expect(await failureOf(send())).toMatchObject({
      status: 429,
      code: "rate_limited",
      message: "slow down",
      retryAfterMs: 7000,
    });
  });

  test("rejects with the HTTP status if a proxy answers in HTML", async () => {
    answer = () => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "retry-after": "later" } });
    expect(await failureOf(send())).toMatchObject({ status: 502, code: "http_502", retryAfterMs: undefined });
  });

  test("rejects an answer without the id, with an id of another type, or that is not JSON", async () => {
    for (const body of ["{}", '{"challenge_id":""}', '{"challenge_id":7}', "[]", "null", "<html>", ""]) {
      answer = () => new Response(body);
      expect(await failureOf(send())).toMatchObject({ status: 200, code: "bad_answer" });
    }
  });

  test("rejects an answer of more than 64 KiB", async () => {
    answer = () => Response.json({ challenge_id: "c-1", more: "x".repeat(64 * 1024) });
    expect(await failureOf(send())).toMatchObject({ code: "bad_answer" });
  });

  test("cancels an endless answer", async () => {
    let reads = 0;
    const cancelled = Promise.withResolvers<void>();
    const pull = (to: ReadableStreamDefaultController) => to.enqueue(new Uint8Array(++reads * 1024));
    const fetch = async () => new Response(new ReadableStream({ pull, cancel: () => cancelled.resolve() }));
    expect(await failureOf(sendEmailCode({ baseUrl, email: "", fetch }))).toMatchObject({ code: "bad_answer" });
    await cancelled.promise;
    expect(reads).toBeLessThan(20);
  });

  test("follows no redirect", async () => {
    let calls = 0;
    answer = () => {
      calls++;
      return Response.redirect(`${baseUrl}elsewhere`, 307);
    };
    expect(await failureOf(send())).toMatchObject({ status: 0, code: "unreachable" });
    expect(calls).toBe(1);
  });

  test("rejects with unreachable if the connection is refused", async () => {
    const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    await gone.stop(true);
    expect(await failureOf(sendEmailCode({ baseUrl: gone.url.href, email: "" }))).toMatchObject({
      status: 0,
      code: "unreachable",
    });
  });

  test("rejects with the signal's reason when it is aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("the user went back");
    answer = () => {
      controller.abort(reason);
      return new Promise(() => {});
    };
    await expect(sendEmailCode({ baseUrl, email: "", signal: controller.signal })).rejects.toBe(reason);
  });
});

test("a public key of another form than its algorithm demands is refused before anything is sent", async () => {
  let calls = 0;
  const fetch = async () => {
    calls++;
    return Response.json({ device_session_id: "ds-1" });
  };
  const confirm = (algorithm: KeyAlgorithm | undefined, publicKey: Uint8Array) => {
    const deviceKey: DeviceKey = { algorithm, publicKey, sign: async () => new Uint8Array(64) };
    return confirmEmailCode({ baseUrl: "https://gateway.example", challengeId: "c", code: "1", deviceKey, fetch });
  };
  const point = (first: number, length: number) => new Uint8Array(length).fill(first, 0, 1);
  const wrong = [
    [undefined, new Uint8Array(65)],
    ["EdDSA", new Uint8Array(44)],
    ["ES256", new Uint8Array(32)],
    ["ES256", point(2, 33)],
    ["ES256", point(4, 64)],
    ["ES256", point(48, 91)],
    ["ES256", point(0, 65)],
  ] as const;
  for (const [algorithm, publicKey] of wrong)
    await expect(confirm(algorithm, publicKey)).rejects.toThrow("deviceKey.publicKey: ");
  expect(calls).toBe(0);
  await confirm("ES256", point(4, 65));
  await confirm(undefined, new Uint8Array(32));
  expect(calls).toBe(2);
});

describe("login by another call", () => {
  test("posts the fields with the device key to the path, and returns the session and the whole answer", async () => {
    const seen: unknown[] = [];
    answer = async (request) => {
      seen.push([request.method, new URL(request.url).pathname, await request.json()]);
      return Response.json({ device_session_id: "ds-2", user_is_new: true });
    };
    const deviceKey = await generateExportableDeviceKey();
    const client_public_key = Buffer.from(deviceKey.publicKey).toString("base64");
    const fields = { code: "c", client_public_key: "another" };
    expect(await login({ baseUrl, path: "/v2/oidc/x", fields, metadata: { a: "b" }, deviceKey })).toEqual({
      deviceSessionId: "ds-2",
      deviceKey,
      answer: { device_session_id: "ds-2", user_is_new: true },
    });
    expect(seen).toEqual([["POST", "/v2/oidc/x", { code: "c", client_public_key, metadata: { a: "b" } }]]);

    seen.length = 0;
    await login({ baseUrl, path: "/v2/oidc/x", fields: { metadata: { of: "fields" } }, deviceKey });
    expect(seen).toEqual([["POST", "/v2/oidc/x", { client_public_key, metadata: { of: "fields" } }]]);
  });

  test("an answer without a session, and a path of another server, are refused", async () => {
    const deviceKey = await generateExportableDeviceKey();
    answer = () => Response.json({});
    expect(await failureOf(login({ baseUrl, path: "/guest", deviceKey }))).toMatchObject({ code: "bad_answer" });
    for (const path of ["//evil.example/guest", "/\\evil.example/guest", "https://evil.example/guest", "guest", ""]) {
      expect(login({ baseUrl, path, deviceKey })).rejects.toThrow(RangeError);
    }
  });
});
