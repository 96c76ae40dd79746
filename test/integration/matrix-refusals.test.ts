import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import type { SignedRequest } from "../../src/client/request-signer.ts";
import type { Reason } from "../../src/core/reasons.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { selfSigned } from "../support/certificates.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

/** Every refusal has the same code, reason and metadata in every protocol, codec and HTTP version. */

const EMPTY = new Uint8Array(0);
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

interface Refused {
  readonly reason: Reason;
  readonly code: Code;
  readonly metadata?: Record<string, string | RegExp>;
  readonly retries?: boolean;
}

interface Case extends Refused {
  readonly name: string;
  /** Returns the request that is refused. */
  readonly request: (world: World, device: Device) => Promise<SignedRequest>;
  /** Prepares the refusal. */
  readonly before?: (world: World, device: Device, client: Client<typeof Gateway>) => Promise<void>;
}

async function tampered(device: Device, change: (request: SignedRequest) => object): Promise<SignedRequest> {
  const request = await device.signer.sign("user.profile.get", EMPTY);
  return { ...request, ...change(request) };
}

/** A command whose answer is kept under one key of the session. */
function keyedMessage(device: Device, text: string): Promise<SignedRequest> {
  return device.signer.sign("chat.message.send", json({ room_id: "lobby", text }), { idempotencyKey: "key-of-message" });
}

const CASES: readonly Case[] = [
  {
    name: "no envelope",
    reason: "MALFORMED_ENVELOPE",
    code: Code.InvalidArgument,
    metadata: { field: "envelope" },
    request: (_, device) => tampered(device, () => ({ envelope: undefined })),
  },
  {
    name: "a session id with a slash",
    reason: "MALFORMED_ENVELOPE",
    code: Code.InvalidArgument,
    metadata: { field: "device_session_id" },
    request: (_, device) => tampered(device, ({ envelope }) => ({ envelope: { ...envelope, deviceSessionId: "a/b" } })),
  },
  {
    name: "another protocol version",
    reason: "UNSUPPORTED_PROTOCOL_VERSION",
    code: Code.FailedPrecondition,
    metadata: { supported: "v1" },
    request: (_, device) => tampered(device, ({ envelope }) => ({ envelope: { ...envelope, protocolVersion: "v2" } })),
  },
  {
    name: "a payload over the limit",
    reason: "REQUEST_TOO_LARGE",
    code: Code.ResourceExhausted,
    metadata: { limit_bytes: "4096" },
    request: (_, device) => device.signer.sign("user.profile.get", new Uint8Array(4097)),
  },
  {
    name: "a body over the limit",
    reason: "REQUEST_TOO_LARGE",
    code: Code.ResourceExhausted,
    metadata: { limit_bytes: "16384" },
    request: (_, device) => device.signer.sign("user.profile.get", new Uint8Array(20_000)),
  },
  {
    name: "an idempotency key that belongs to another payload",
    reason: "IDEMPOTENCY_KEY_REUSED",
    code: Code.InvalidArgument,
    before: async (_, device, client) => void (await client.executeCommand(await keyedMessage(device, "first"))),
    request: (_, device) => keyedMessage(device, "second"),
  },
  {
    name: "an unknown session",
    reason: "SESSION_NOT_FOUND",
    code: Code.Unauthenticated,
    request: (_, device) =>
      tampered(device, ({ envelope }) => ({ envelope: { ...envelope, deviceSessionId: crypto.randomUUID() } })),
  },
  {
    name: "a revoked session",
    reason: "SESSION_REVOKED",
    code: Code.FailedPrecondition,
    async before(world, device) {
      await world.revoke({ device_session_id: device.deviceSessionId });
    },
    request: (_, device) => device.signer.sign("user.profile.get", EMPTY),
  },
  {
    name: "a session that cannot be looked up",
    reason: "SESSION_LOOKUP_UNAVAILABLE",
    code: Code.Unavailable,
    async before(world, device) {
      world.faults.on(sessionPath(device.deviceSessionId), () => new Response("no", { status: 500 }));
    },
    request: (_, device) => device.signer.sign("user.profile.get", EMPTY),
  },
  {
    name: "a payload that was swapped",
    reason: "PAYLOAD_HASH_MISMATCH",
    code: Code.InvalidArgument,
    request: (_, device) => tampered(device, () => ({ payloadBytes: json({ display_name: "Mallory" }) })),
  },
  {
    name: "a signature of another key",
    reason: "SIGNATURE_INVALID",
    code: Code.Unauthenticated,
    async request(world, device) {
      const other = await world.login();
      const request = await device.signer.sign("user.profile.get", EMPTY);
      return { ...request, signature: await other.deviceKey.sign(EMPTY) };
    },
  },
  {
    name: "a timestamp from two minutes ago",
    reason: "TIMESTAMP_OUT_OF_WINDOW",
    code: Code.FailedPrecondition,
    metadata: { server_time_ms: /^\d{13}$/, window_ms: "60000" },
    request: (_, device) => device.signer.sign("user.profile.get", EMPTY, { timestampMs: Date.now() - 120_000 }),
  },
  {
    name: "a replayed request",
    reason: "REQUEST_REPLAYED",
    code: Code.FailedPrecondition,
    async before(_, device, client) {
      const first = await device.signer.sign("user.profile.get", EMPTY, { requestId: `seen-${device.deviceSessionId}` });
      await client.executeCommand(first);
    },
    request: (_, device) => device.signer.sign("user.profile.get", EMPTY, { requestId: `seen-${device.deviceSessionId}` }),
  },
  {
    name: "an exhausted budget",
    reason: "RATE_LIMITED",
    code: Code.ResourceExhausted,
    metadata: { scope: "message_type" },
    retries: true,
    async before(_, device, client) {
      await client.executeCommand(await device.signer.sign("test.limited", EMPTY));
    },
    request: (_, device) => device.signer.sign("test.limited", EMPTY),
  },
  {
    name: "a message type without a route",
    reason: "MESSAGE_TYPE_UNKNOWN",
    code: Code.Unimplemented,
    request: (_, device) => device.signer.sign("no.such.thing", EMPTY),
  },
  {
    name: "a payload without a field of the route",
    reason: "PAYLOAD_INVALID",
    code: Code.InvalidArgument,
    metadata: { field: "room_id" },
    request: (_, device) => device.signer.sign("chat.message.send", json({ text: "hi" })),
  },
  {
    name: "a backend that is down",
    reason: "BACKEND_UNAVAILABLE",
    code: Code.Unavailable,
    async before(world) {
      world.faults.on("/api/v1/user/test/down", () => new Response("{}", { status: 503 }));
    },
    request: (_, device) => device.signer.sign("test.down", EMPTY),
  },
  {
    name: "a backend that does not answer in time",
    reason: "BACKEND_TIMEOUT",
    code: Code.DeadlineExceeded,
    async before(world) {
      world.faults.on("/api/v1/user/test/slow", async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return new Response();
      });
    },
    request: (_, device) => device.signer.sign("test.slow", EMPTY),
  },
  {
    name: "a backend that answers with an HTML page",
    reason: "BACKEND_BAD_RESPONSE",
    code: Code.Internal,
    async before(world) {
      const page = "<html>10.0.0.7 stack trace</html>";
      world.faults.on("/api/v1/user/test/broken", () => new Response(page, { headers: { "content-type": "text/html" } }));
    },
    request: (_, device) => device.signer.sign("test.broken", EMPTY),
  },
];

const LIMITS = { "limits.payload_bytes_max": 4096, "limits.request_bytes_max": 16_384 };

const worlds = new Map<string, World>();
beforeAll(async () => {
  const { certificate: ca, certificateFile, keyFile } = await selfSigned("gateway.test");
  const files = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
  worlds.set("cleartext", await openWorld(LIMITS));
  worlds.set("TLS", await openWorld({ ...LIMITS, ...files }, { tls: { ca } }));
});
afterAll(async () => {
  for (const world of worlds.values()) await world.close();
});

const VARIANTS_OVER = ["cleartext", "TLS"].flatMap((over) =>
  VARIANTS.map((variant) => ({ name: `${variant.name}, ${over}`, variant, over })),
);

async function failure(work: Promise<unknown>): Promise<ConnectError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}

function expectRefusal(error: ConnectError, expected: Refused): void {
  const refusal = refusalOf(error);
  expect({ reason: refusal?.reason, code: Code[error.code] }).toEqual({ reason: expected.reason, code: Code[expected.code] });
  for (const [name, value] of Object.entries(expected.metadata ?? {})) expect(refusal?.metadata[name]).toMatch(value);
  expect(refusal?.retryAfterMs !== undefined).toBe(expected.retries === true);
  expect(error.metadata.has("retry-after")).toBe(expected.retries === true);
}

describe.each(VARIANTS_OVER)("$name", ({ variant, over }) => {
  let world: World;
  beforeAll(() => {
    world = worlds.get(over) ?? expect.unreachable();
  });

  test.each(CASES)("$name: $reason", async (each) => {
    const client = createClient(Gateway, world.transport(variant));
    const device = await world.login();
    await each.before?.(world, device, client);
    const error = await failure(client.executeCommand(await each.request(world, device)));
    expectRefusal(error, each);
    expect(error.rawMessage).not.toMatch(/10\.0\.0\.7|stack|127\.0\.0\.1/);
  });

  test("a subscription is refused by the same checks", async () => {
    const client = createClient(Gateway, world.transport(variant));
    const device = await world.login();
    const request = await device.signer.sign("gateway.subscribe", EMPTY, { timestampMs: Date.now() - 120_000 });
    const error = await failure(Array.fromAsync(client.subscribeEvents(request)));
    expectRefusal(error, { reason: "TIMESTAMP_OUT_OF_WINDOW", code: Code.FailedPrecondition });
  });

  test("a request that was signed for one RPC is refused by the other", async () => {
    const client = createClient(Gateway, world.transport(variant));
    const device = await world.login();
    const malformed = {
      reason: "MALFORMED_ENVELOPE",
      code: Code.InvalidArgument,
      metadata: { field: "message_type" },
    } as const;
    const subscription = await device.signer.sign("gateway.subscribe", EMPTY);
    expectRefusal(await failure(client.executeCommand(subscription)), malformed);
    const command = await device.signer.sign("user.profile.get", EMPTY);
    expectRefusal(await failure(Array.fromAsync(client.subscribeEvents(command))), malformed);
  });
});
