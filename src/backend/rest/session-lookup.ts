import { isUserId } from "../../core/grammar.ts";
import { isJsonType, parseJsonObject, utf8Text } from "../../core/json-body.ts";
import { type DeviceKeyAlgorithm, decodePublicKey, keyAlgorithmOf, type VerifyingKey } from "../../core/keys.ts";
import { SESSION_RECORD_BYTES_MAX } from "../../core/limits.ts";
import type { PathPattern } from "../../core/path-pattern.ts";
import { refuse } from "../../core/refusal.ts";
import type { Session, SessionSource } from "../../core/sessions.ts";
import type { Metrics } from "../../core/telemetry.ts";
import type { UpstreamPool } from "../upstreams/upstream-pool.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import { requireGatewayAccepted } from "./answer-checks.ts";
import { OWN_USER_AGENT } from "./command-headers.ts";
import type { HttpAnswer } from "./http-client.ts";
import { failureOfStatus, HttpFailure } from "./http-failure.ts";
import type { OutageLog } from "./outage-log.ts";

export interface SessionLookupOptions {
  readonly upstreams: Upstreams;
  /** The path of a look-up. Its only variable is `device_session_id`. */
  readonly path: PathPattern;
  readonly timeoutMs: number;
  /** Creates the device key object from a raw public key. Returns `undefined` if the bytes are not a key of the algorithm. */
  readonly toKey: (algorithm: DeviceKeyAlgorithm, raw: Uint8Array) => VerifyingKey | undefined;
  readonly metrics: Metrics;
  readonly outageLog?: OutageLog | undefined;
}

/** Maximum number of concurrent session look-ups: 48 of the 256 fetches that Bun runs at a time (see `ConcurrencyLimiter`). */
const LOOKUP_CALLS_MAX = 48;

/** Looks up sessions in the backend. If an answer breaks a rule of the contract, the look-up fails. */
export class BackendSessionSource implements SessionSource {
  #options: SessionLookupOptions;
  readonly #pool: UpstreamPool;

  constructor(options: SessionLookupOptions) {
    this.#options = options;
    this.#pool = options.upstreams.pool("sessions", LOOKUP_CALLS_MAX, SESSION_RECORD_BYTES_MAX);
  }

  /** Uses these options for look-ups that start from now on. */
  adopt(options: Pick<SessionLookupOptions, "path" | "timeoutMs">): void {
    this.#options = { ...this.#options, ...options };
  }

  async lookUp(deviceSessionId: string): Promise<Session | undefined> {
    // The ids "." and ".." have valid syntax. In the path of a URL, they would change which resource the URL names. So a
    // session with such an id counts as unknown.
    if (deviceSessionId === "." || deviceSessionId === "..") return undefined;
    try {
      const session = await this.#fetch(deviceSessionId);
      this.#count(session === undefined ? "unknown" : "found");
      this.#options.outageLog?.succeeded();
      return session;
    } catch (cause) {
      this.#count("unavailable");
      this.#options.outageLog?.failed(cause);
      throw refuse("SESSION_LOOKUP_UNAVAILABLE", { cause });
    }
  }

  #fetch(deviceSessionId: string): Promise<Session | undefined> {
    const call = {
      method: "GET" as const,
      target: this.#options.path.expand(new Map([["device_session_id", deviceSessionId]])),
      headers: { "User-Agent": OWN_USER_AGENT },
      timeoutMs: this.#options.timeoutMs,
    };
    return this.#pool.call(call, (answer) => this.#read(answer, deviceSessionId));
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
    // A 404 makes the client log out, so it must come from the backend. A 404 without a JSON object may come from another
    // server. For this reason, an answer without a JSON object was rejected before this line.
    if (httpStatus === 404) return undefined;
    if (record["device_session_id"] !== deviceSessionId) throw new TypeError("the record belongs to another session");
    const { user_id: userId, status } = record;
    if (typeof userId !== "string" || !isUserId(userId)) throw new TypeError("user_id is not 1 to 256 visible characters");
    if (status !== "active" && status !== "revoked") throw new TypeError("status is neither active nor revoked");
    return { deviceSessionId, userId, status, key: this.#readKey(record) };
  }

  #readKey(record: Readonly<Record<string, unknown>>): VerifyingKey {
    const { client_public_key: base64, client_key_algorithm: member } = record;
    const algorithm = keyAlgorithmOf(member);
    if (algorithm === undefined) throw new TypeError("client_key_algorithm is neither EdDSA nor ES256");
    const raw = typeof base64 === "string" ? decodePublicKey(base64, algorithm) : undefined;
    const key = raw && this.#options.toKey(algorithm, raw);
    if (key === undefined) throw new TypeError(`client_public_key is not the base64 of an ${algorithm} key`);
    return key;
  }

  #count(outcome: "found" | "unknown" | "unavailable"): void {
    this.#options.metrics.count("sallyport_session_lookups_total", { outcome });
  }
}
