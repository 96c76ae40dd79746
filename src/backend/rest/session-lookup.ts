import { isUserId } from "../../core/grammar.ts";
import { isJsonType, parseJsonObject, utf8Text } from "../../core/json-body.ts";
import { PUBLIC_KEY_BYTES, SESSION_RECORD_BYTES_MAX } from "../../core/limits.ts";
import type { Metrics, Session, SessionSource, VerifyingKey } from "../../core/ports.ts";
import { refuse } from "../../core/refusal.ts";
import { requireGatewayAccepted } from "./gateway-refused.ts";
import { type HttpAnswer, HttpClient } from "./http-client.ts";
import { failureOfStatus, HttpFailure } from "./http-failure.ts";
import type { OutageLog } from "./outage-log.ts";

export interface SessionLookupOptions {
  /** The backend's base URL. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly token?: string | undefined;
  /** Makes a key of its 32 raw bytes. */
  readonly toKey: (raw: Uint8Array) => VerifyingKey;
  readonly metrics: Metrics;
  readonly report?: OutageLog | undefined;
}

/** Of the 256 fetches that Bun runs at once. */
const LOOKUP_CALLS_MAX = 48;

/** RFC 4648 4: 32 bytes, with their padding. */
const KEY_BASE64 = /^[A-Za-z0-9+/]{43}=$/;

/** Looks sessions up in the backend. An answer that breaks any rule of the contract is no answer. */
export class BackendSessionSource implements SessionSource {
  readonly #options: SessionLookupOptions;
  readonly #http: HttpClient;

  constructor(options: SessionLookupOptions) {
    this.#options = options;
    this.#http = new HttpClient({ ...options, callsMax: LOOKUP_CALLS_MAX, responseBytesMax: SESSION_RECORD_BYTES_MAX });
  }

  async lookUp(deviceSessionId: string): Promise<Session | undefined> {
    // The alphabet of ids allows these two, and in a URL they would walk up the path.
    if (deviceSessionId === "." || deviceSessionId === "..") return undefined;
    try {
      const session = this.#read(await this.#ask(deviceSessionId), deviceSessionId);
      this.#count(session === undefined ? "unknown" : "found");
      this.#options.report?.succeeded();
      return session;
    } catch (cause) {
      this.#count("unavailable");
      this.#options.report?.failed(cause);
      throw refuse("SESSION_LOOKUP_UNAVAILABLE", { cause });
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#http.close();
  }

  #ask(deviceSessionId: string): Promise<HttpAnswer> {
    return this.#http.call({
      method: "GET",
      target: `/api/v1/internal/sessions/${encodeURIComponent(deviceSessionId)}`,
      headers: { "User-Agent": "sallyport" },
      timeoutMs: this.#options.timeoutMs,
    });
  }

  #read(answer: HttpAnswer, deviceSessionId: string): Session | undefined {
    const { status: httpStatus } = answer;
    requireGatewayAccepted(answer);
    if (httpStatus !== 200 && httpStatus !== 404) throw failureOfStatus(httpStatus);
    const contentType = answer.headers.get("content-type");
    const record = isJsonType(contentType) ? parseJsonObject(utf8Text(answer.body)) : undefined;
    if (record === undefined) {
      throw new HttpFailure("bad_response", `HTTP ${httpStatus} without a JSON object, content-type ${contentType ?? "none"}`);
    }
    // Clients log out of it, so a 404 of whatever else may answer under this address is not enough.
    if (httpStatus === 404) return undefined;
    if (record.device_session_id !== deviceSessionId) throw new TypeError("the record is not of this session");
    const { user_id: userId, status } = record;
    if (typeof userId !== "string" || !isUserId(userId)) throw new TypeError("user_id is not 1 to 256 visible characters");
    if (status !== "active" && status !== "revoked") throw new TypeError("status is neither active nor revoked");
    return { deviceSessionId, userId, status, key: this.#options.toKey(rawKey(record.client_public_key)) };
  }

  #count(outcome: "found" | "unknown" | "unavailable"): void {
    this.#options.metrics.count("sallyport_session_lookups_total", { outcome });
  }
}

function rawKey(base64: unknown): Uint8Array {
  if (typeof base64 !== "string" || !KEY_BASE64.test(base64))
    throw new TypeError("client_public_key is not the base64 of 32 bytes");
  const raw = Buffer.from(base64, "base64");
  if (raw.byteLength !== PUBLIC_KEY_BYTES || raw.toString("base64") !== base64) {
    throw new TypeError("client_public_key is not the base64 of 32 bytes");
  }
  return raw;
}
