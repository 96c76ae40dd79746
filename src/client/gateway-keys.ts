import type { JsonValue } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { sha256 } from "./bytes.ts";
import { isWeakPublicKey, type Verify, verifierFor } from "./ed25519.ts";
import { member, textMember } from "./json.ts";
import { type Fetch, getJson } from "./rest.ts";

/** The result of a signature check. `key_unknown`: the key source has no key with this id. */
export type SignatureVerdict = "valid" | "invalid" | "key_unknown";

/** A source of the gateway's public keys. Use `GatewayKeys`, or your own implementation to pin or cache keys in another way. */
export interface GatewayKeySource {
  /** Verifies a 64-byte Ed25519 signature with the gateway's key `keyId`. Rejects if the keys cannot be fetched. */
  verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict>;
}

export interface GatewayKeysOptions {
  /** Sends the HTTP requests. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** A monotonic clock, in ms. Default: `performance.now`. */
  readonly monotonic?: (() => number) | undefined;
  /**
   * Pinned key ids: RFC 7638 thumbprints. Only published keys with one of these ids are accepted, which protects against a
   * forged key set. Add the id of the next key before the gateway rotates its keys. Default: every published key is accepted.
   */
  readonly pinnedKeyIds?: readonly string[] | undefined;
}

/** Maximum number of keys that are read from a key set. A gateway publishes at most three. A forged key set may have more. */
const KEYS_MAX = 16;
/** Minimum interval between two fetches for unknown key ids, in ms. So forged key ids cause no flood of fetches. */
const REFETCH_INTERVAL_MS = 10_000;
/** Maximum age of a key set, in ms: proto/README.md, "Public REST". It limits how long a withdrawn key is accepted. */
const AGE_MS_MAX = 5 * 60_000;
/** Age at which a new key set is fetched in the background, in ms. The old key set is used until the new one arrives. */
const REFRESH_AGE_MS = 4 * 60_000;

/**
 * The gateway's public keys, from the key set (JWKS, RFC 7517) that its edge publishes.
 * - A key set is used for at most five minutes.
 * - Unknown key ids cause at most one fetch every 10 s.
 * - `verify` rejects with `RestError` if it needs a fetch and the fetch fails.
 */
export class GatewayKeys implements GatewayKeySource {
  readonly #url: string;
  readonly #fetch: Fetch | undefined;
  readonly #monotonic: () => number;
  readonly #pinnedKeyIds: ReadonlySet<string> | undefined;
  #verifiers: ReadonlyMap<string, Verify> = new Map();
  #fetchedAtMs: number | undefined;
  #fetching: Promise<void> | undefined;

  /** `baseUrl` is the URL of the gateway's edge, such as https://gateway.example. */
  constructor(baseUrl: string, options: GatewayKeysOptions = {}) {
    this.#url = new URL("/.well-known/jwks.json", baseUrl).href;
    this.#fetch = options.fetch;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#pinnedKeyIds = options.pinnedKeyIds && new Set(options.pinnedKeyIds);
  }

  async verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict> {
    // The pinned key ids are checked before the key set is fetched, because a fetch cannot change the pins.
    if (this.#pinnedKeyIds?.has(keyId) === false) return "key_unknown";
    const ageMs = this.#ageMs();
    if (ageMs >= AGE_MS_MAX || (!this.#verifiers.has(keyId) && ageMs >= REFETCH_INTERVAL_MS)) await this.#refetch();
    // A failed background fetch is ignored, because the next call of `verify` starts a new fetch.
    else if (ageMs >= REFRESH_AGE_MS) this.#refetch().catch(() => {});
    const verify = this.#verifiers.get(keyId);
    if (verify === undefined) return "key_unknown";
    return (await verify(message, signature)) ? "valid" : "invalid";
  }

  #ageMs(): number {
    return this.#monotonic() - (this.#fetchedAtMs ?? Number.NEGATIVE_INFINITY);
  }

  /** Fetches the key set. Concurrent callers share one fetch. A failed fetch does not delay the next one. */
  #refetch(): Promise<void> {
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    // The age is measured from the time of the request, because an attacker can delay the answer.
    const requestedAtMs = this.#monotonic();
    this.#verifiers = await verifiersOf(await getJson(this.#url, { fetch: this.#fetch }));
    this.#fetchedAtMs = requestedAtMs;
  }
}

/** Returns the verifiers of the key set by key id. Keys that cannot be used are ignored (RFC 7517 5). */
async function verifiersOf(keySet: JsonValue): Promise<Map<string, Verify>> {
  const verifiers = new Map<string, Verify>();
  for (const jwk of keysOf(keySet)) {
    const raw = publicKeyOf(jwk);
    const kid = textMember(jwk, "kid");
    if (raw === undefined || kid === undefined || kid !== (await thumbprint(raw))) continue;
    verifiers.set(kid, await verifierFor(raw));
  }
  return verifiers;
}

function keysOf(keySet: JsonValue): readonly JsonValue[] {
  const keys = member(keySet, "keys");
  return Array.isArray(keys) ? keys.slice(0, KEYS_MAX) : [];
}

/** Returns the 32 bytes of an Ed25519 public key (RFC 8037 2). Returns `undefined` for a weak key or another kind of JWK. */
function publicKeyOf(jwk: JsonValue): Uint8Array | undefined {
  const x = textMember(jwk, "x");
  if (textMember(jwk, "kty") !== "OKP" || textMember(jwk, "crv") !== "Ed25519" || !x || !/^[A-Za-z0-9_-]{43}$/.test(x))
    return undefined;
  const raw = base64Decode(x);
  return isWeakPublicKey(raw) ? undefined : raw;
}

/**
 * Returns the key id (RFC 7638): the base64url of the SHA-256 hash of the JWK's required members. The members are in
 * lexicographic order, without white space.
 */
async function thumbprint(raw: Uint8Array): Promise<string> {
  const members = `{"crv":"Ed25519","kty":"OKP","x":"${base64Encode(raw, "url")}"}`;
  return base64Encode(await sha256(new TextEncoder().encode(members)), "url");
}
