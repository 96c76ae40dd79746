import { Code, type Transport } from "@connectrpc/connect";
import type { Reason } from "../../../src/core/reasons.ts";
import { sha256, verifyingKey } from "../../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import type {
  ExecuteCommandRequest,
  ExecuteCommandResponse,
  GatewayEvent,
  SubscribeEventsRequest,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, event, newKeyRing, refusal, respond, serverTime, transportTo, USER_ID } from "../client/fake-gateway.ts";

/** A contract violation of the stub. */
export type Flaw =
  | "accepts_replays"
  | "skips_hash_check"
  | "skips_signature_check"
  | "keeps_revoked_streams"
  | "forges_events"
  | "sends_no_code"
  | "hides_reasons";

interface Mail {
  readonly challenge_id: string;
  readonly code: string;
}

/** A gateway and backend with the functions that the demo scenario uses, and the flaws that a test selects. */
export class StubGateway {
  readonly #flaws: ReadonlySet<Flaw>;
  readonly #ring = newKeyRing();
  readonly #server: Bun.Server<undefined>;
  readonly #keys = new Map<string, Uint8Array>();
  readonly #emails = new Map<string, string>();
  readonly #names = new Map<string, string>();
  readonly #outbox: Mail[] = [];
  readonly #seen = new Set<string>();
  readonly #revoked = new Set<string>();
  readonly #streams = new Map<string, Stream>();

  constructor(...flaws: Flaw[]) {
    this.#flaws = new Set(flaws);
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      routes: {
        "/.well-known/jwks.json": () => Response.json(this.#ring.jwks),
        "/api/v1/public/auth/send-email-code": async (request) => this.#sendCode(await request.json()),
        "/api/v1/public/auth/confirm-email-code": async (request) => this.#confirm(await request.json()),
        "/dev/outbox": () => Response.json(this.#outbox),
        "/dev/revoke": async (request) => this.#revoke(await request.json()),
      },
    });
  }

  get url(): string {
    return this.#server.url.href;
  }

  transport(): Transport {
    return transportTo({ execute: (request) => this.#execute(request), subscribe: (request) => this.#subscribe(request) });
  }

  /** Ends all streams. */
  async shutDown(): Promise<void> {
    for (const stream of this.#streams.values()) stream.end("SHUTTING_DOWN", Code.Unavailable);
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #sendCode({ email }: { email: string }): Response {
    const challenge_id = `c-${email}`;
    if (!this.#flaws.has("sends_no_code")) this.#outbox.push({ challenge_id, code: "123456" });
    return Response.json({ challenge_id });
  }

  #confirm(body: { challenge_id: string; client_public_key: string }): Response {
    const device_session_id = `ds-${this.#keys.size + 1}`;
    this.#keys.set(device_session_id, Buffer.from(body.client_public_key, "base64"));
    this.#emails.set(device_session_id, body.challenge_id.slice(2));
    return Response.json({ device_session_id });
  }

  #revoke({ device_session_id }: { device_session_id: string }): Response {
    this.#revoked.add(device_session_id);
    if (!this.#flaws.has("keeps_revoked_streams")) {
      this.#streams.get(device_session_id)?.end("SESSION_REVOKED", Code.FailedPrecondition);
    }
    return Response.json({});
  }

  #refuse(reason: Reason, code: Code): Error {
    return this.#flaws.has("hides_reasons") ? refusal("INTERNAL", Code.Internal) : refusal(reason, code);
  }

  #admit(request: ExecuteCommandRequest | SubscribeEventsRequest): string {
    const { deviceSessionId, requestId, payloadHash } = envelopeOf(request);
    const key = verifyingKey(this.#keys.get(deviceSessionId) ?? new Uint8Array());
    const isIntact = sha256(request.payloadBytes).every((byte, at) => byte === payloadHash[at]);
    const isSigned = key.verify(requestSigningInput(envelopeOf(request)), request.signature);
    if (this.#revoked.has(deviceSessionId)) throw this.#refuse("SESSION_REVOKED", Code.FailedPrecondition);
    if (!isIntact && !this.#flaws.has("skips_hash_check")) throw this.#refuse("PAYLOAD_HASH_MISMATCH", Code.InvalidArgument);
    if (!isSigned && !this.#flaws.has("skips_signature_check")) throw this.#refuse("SIGNATURE_INVALID", Code.Unauthenticated);
    const isReplay = this.#seen.has(requestId) && !this.#flaws.has("accepts_replays");
    if (isReplay) throw this.#refuse("REQUEST_REPLAYED", Code.FailedPrecondition);
    this.#seen.add(requestId);
    return deviceSessionId;
  }

  #execute(request: ExecuteCommandRequest): ExecuteCommandResponse {
    const sessionId = this.#admit(request);
    const payload = request.payloadBytes.byteLength === 0 ? {} : JSON.parse(new TextDecoder().decode(request.payloadBytes));
    const profile = () => ({ email: this.#emails.get(sessionId), display_name: this.#names.get(sessionId) });
    switch (envelopeOf(request).messageType) {
      case "user.profile.get":
        return respond(request, this.#ring, profile());
      case "user.profile.update":
        if (payload.display_name === "") {
          return respond(request, this.#ring, { code: "display_name_empty" }, { resultCode: "display_name_empty" });
        }
        this.#names.set(sessionId, payload.display_name);
        return respond(request, this.#ring, profile());
      default:
        this.#push(payload.text);
        return respond(request, this.#ring, { room_id: payload.room_id });
    }
  }

  #push(text: string): void {
    const ring = this.#flaws.has("forges_events") ? newKeyRing() : this.#ring;
    for (const stream of this.#streams.values()) stream.send(event(ring, `user:${USER_ID}`, "chat.message", { text }));
  }

  #subscribe(request: SubscribeEventsRequest): AsyncIterable<GatewayEvent> {
    const stream = new Stream();
    this.#streams.set(this.#admit(request), stream);
    stream.send(serverTime(request, this.#ring));
    stream.send(event(this.#ring, "all", "gateway.heartbeat", {}));
    return stream.events();
  }
}

class Stream {
  readonly #source: ReadableStream<GatewayEvent>;
  #controller: ReadableStreamDefaultController<GatewayEvent> | undefined;

  constructor() {
    this.#source = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
    });
  }

  send(message: GatewayEvent): void {
    this.#controller?.enqueue(message);
  }

  end(reason: Reason, code: Code): void {
    this.#controller?.error(refusal(reason, code));
  }

  async *events(): AsyncGenerator<GatewayEvent> {
    yield* this.#source;
  }
}
