import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type DevBackend, type DevBackendOptions, startDevBackend } from "../../../src/dev/backend.ts";
import { Push, type PushEvent } from "../../../src/gen/sallyport/v1/push_pb.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

export function start(options: Partial<DevBackendOptions> = {}): Promise<DevBackend> {
  return startDevBackend({ restListen: LOOPBACK, pushListen: LOOPBACK, database: ":memory:", log: SILENT_LOG, ...options });
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: any JSON; the assertions check it.
  readonly body: any;
}

export async function call(
  backend: DevBackend,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const withType = { "content-type": "application/json", ...headers };
  const init = body === undefined ? { method, headers } : { method, headers: withType, body: JSON.stringify(body) };
  const response = await fetch(backend.restUrl + path, init);
  return { status: response.status, body: await response.json() };
}

export const KEY = Buffer.alloc(32, 7).toString("base64");

export async function sendCode(backend: DevBackend, email: string): Promise<{ challengeId: string; code: string }> {
  const { body } = await call(backend, "POST", "/api/v1/public/auth/send-email-code", { email });
  const outbox = await call(backend, "GET", "/dev/outbox");
  const mail = outbox.body.find((entry: { challenge_id: string }) => entry.challenge_id === body.challenge_id);
  return { challengeId: body.challenge_id, code: mail.code };
}

export function confirm(backend: DevBackend, challengeId: string, code: string, key = KEY): Promise<Answer> {
  const body = { challenge_id: challengeId, code, client_public_key: key };
  return call(backend, "POST", "/api/v1/public/auth/confirm-email-code", body);
}

export async function logIn(backend: DevBackend, email: string): Promise<{ sessionId: string; userId: string }> {
  const { challengeId, code } = await sendCode(backend, email);
  const sessionId = (await confirm(backend, challengeId, code)).body.device_session_id;
  const session = await call(backend, "GET", `/api/v1/internal/sessions/${sessionId}`);
  return { sessionId, userId: session.body.user_id };
}

export async function push(backend: DevBackend, userId: string, payload: unknown): Promise<string> {
  const answer = await call(backend, "POST", "/dev/push", { user_id: userId, event_type: "test.event", payload });
  return answer.body.event_id;
}

/** A push stream, read as a gateway reads it. */
export class PushReader {
  readonly #abort = new AbortController();
  readonly #events: AsyncIterator<PushEvent>;

  constructor(pushUrl: string, cursor = "") {
    const client = createClient(Push, createGrpcTransport({ baseUrl: pushUrl }));
    const stream = client.subscribePush({ gatewayId: "test", cursor }, { signal: this.#abort.signal });
    this.#events = stream[Symbol.asyncIterator]();
  }

  async next(): Promise<PushEvent> {
    const result = await this.#events.next();
    if (result.done) throw new Error("the push stream ended");
    return result.value;
  }

  /** Reads a keepalive and returns its cursor. A new stream starts with one. */
  async cursor(): Promise<string> {
    const event = await this.next();
    if (event.kind.case !== undefined) throw new Error("the event is not a keepalive");
    return event.cursor;
  }

  /** Reads to the end. Returns the error, or `undefined` if there is none. */
  async end(): Promise<unknown> {
    try {
      while (!(await this.#events.next()).done);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.end();
  }
}

/** The parsed payload of a client event. */
// biome-ignore lint/suspicious/noExplicitAny: any JSON; the assertions check it.
export function payloadOf(event: PushEvent): any {
  if (event.kind.case !== "clientEvent") throw new Error("not a client event");
  return JSON.parse(new TextDecoder().decode(event.kind.value.payloadBytes));
}
