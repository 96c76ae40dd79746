import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { SallyportClient } from "../../../src/client/client.ts";
import { SallyportError, UntrustedResponseError } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import { confirmEmailCode, type SessionCredentials, sendEmailCode } from "../../../src/client/login.ts";
import type { VerifiedEvent } from "../../../src/client/verify.ts";
import { generateDeviceKey } from "../../../src/client/webcrypto-key.ts";
import { publishedGrpcWeb } from "./published-grpc-web.ts";

/** The published RPC clients for browsers. Each is the transport of a client that signs requests and verifies what it gets. */

const TRANSPORTS = {
  "grpc-web, text": (baseUrl: string) => publishedGrpcWeb(baseUrl, "text"),
  "grpc-web, binary": (baseUrl: string) => publishedGrpcWeb(baseUrl, "binary"),
  "connect-web, Connect, JSON": (baseUrl: string) => createConnectTransport({ baseUrl }),
  "connect-web, Connect, binary": (baseUrl: string) => createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "connect-web, gRPC-Web, binary": (baseUrl: string) => createGrpcWebTransport({ baseUrl }),
  "connect-web, gRPC-Web, JSON": (baseUrl: string) => createGrpcWebTransport({ baseUrl, useBinaryFormat: false }),
} satisfies Record<string, (baseUrl: string) => Transport>;

export type PublishedClient = keyof typeof TRANSPORTS;

let baseUrl = "";
let credentials: SessionCredentials | undefined;
let events: VerifiedEvent[] = [];
let ended: string | undefined;

export async function startLogin(edgeUrl: string, email: string): Promise<string> {
  baseUrl = edgeUrl;
  return (await sendEmailCode({ baseUrl, email })).challengeId;
}

export async function finishLogin(challengeId: string, code: string): Promise<string> {
  credentials = await confirmEmailCode({ baseUrl, challengeId, code, deviceKey: await generateDeviceKey() });
  return credentials.deviceSessionId;
}

function clientOf(name: PublishedClient, keys = new GatewayKeys(baseUrl)): SallyportClient {
  if (credentials === undefined) throw new Error("not logged in");
  return new SallyportClient({ baseUrl, credentials, transport: TRANSPORTS[name](baseUrl), keys });
}

/** Executes a command. Returns the verified answer, or the reason or failed check of the error. */
export async function execute(name: PublishedClient, messageType: string, payload?: Record<string, string>) {
  return clientOf(name)
    .execute(messageType, payload)
    .then(
      (result) => ({ resultCode: result.resultCode, payload: result.payload, keyId: result.evidence.keyId }),
      (error: unknown) => outcomeOf(error),
    );
}

/** The failed check of an answer whose signing key is not pinned. */
export async function executeWithPin(name: PublishedClient, keyId: string): Promise<string> {
  return clientOf(name, new GatewayKeys(baseUrl, { pinnedKeyIds: [keyId] }))
    .execute("user.profile.get")
    .then(() => "verified", outcomeOf);
}

/** Opens a stream, whose verified events `received` returns. */
export function subscribe(name: PublishedClient): void {
  [events, ended] = [[], undefined];
  (async () => {
    try {
      for await (const event of clientOf(name).openStream()) events.push(event);
      ended = "success";
    } catch (error) {
      ended = outcomeOf(error);
    }
  })();
}

export function received() {
  return { events: events.map(({ eventType, audience, payload }) => ({ eventType, audience, payload })), ended };
}

function outcomeOf(error: unknown): string {
  if (error instanceof UntrustedResponseError) return error.check;
  return error instanceof SallyportError ? `${error.reason ?? error.code}` : String(error);
}
