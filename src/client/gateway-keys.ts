import type { JsonValue } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { sha256 } from "./bytes.ts";
import { isStrictPublicKey, type Verify, verifierFor } from "./ed25519.ts";
import { member, textMember } from "./json.ts";
import { type Fetch, getJson } from "./rest.ts";

/** `key_unknown`: the key source has no key with this id. */
export type SignatureVerdict = "valid" | "invalid" | "key_unknown";

/** The gateway's public keys. Use `GatewayKeys`, or implement it yourself to pin or cache keys in another way. */
export interface GatewayKeySource {
  /** Verifies a 64-byte Ed25519 signature with the gateway's key `keyId`. Rejects if the keys cannot be fetched. */
  verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict>;
}

export interface GatewayKeysOptions {
  /** Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** A monotonic clock, in ms. Default: `performance.now`. */
  readonly monotonic?: (() => number) | undefined;
  /**
   * Key pinning: only published keys with one of these ids are accepted. A key id is the key's RFC 7638 thumbprint. Pinning protects against a
   * forged key set. Add the next key's id before the gateway rotates its keys. Default: every published key is accepted.
   */
  readonly pinnedKeyIds?: readonly string[] | undefined;
}

/** A gateway publishes at most three keys. */
const KEYS_MAX = 16;
/** The least interval between two fetches for unknown key ids, so that forged key ids cause no flood. A key is published long before it signs. */
const REFETCH_INTERVAL_MS = 10_000;
/** PROTOCOL (proto/README.md), "Public REST": the age at which a key set expires. It bounds how long a withdrawn key is accepted. */
const AGE_MS_MAX = 5 * 60_000;
/** From this age on, the set is fetched in the background while it is still in use. */
const REFRESH_AGE_MS = 4 * 60_000;

/**
 * The gateway's public keys, from the JWKS (RFC 7517) that its edge publishes. The set is fetched at the first use, every five minutes, and
 * for an unknown key id at most every 10 s. If a needed fetch fails, `verify` rejects with `RestError`: expired keys are not used.
 */
export class GatewayKeys implements GatewayKeySource {
  readonly #url: string;
  readonly #fetch: Fetch | undefined;
  readonly #monotonic: () => number;
  readonly #pinnedKeyIds: ReadonlySet<string> | undefined;
  #verifiers: ReadonlyMap<string, Verify> = new Map();
  #fetchedAtMs: number | undefined;
  #fetching: Promise<void> | undefined;

  /** `baseUrl`: the URL of the gateway's edge, such as https://gateway.example. */
  constructor(baseUrl: string, options: GatewayKeysOptions = {}) {
    this.#url = new URL("/.well-known/jwks.json", baseUrl).href;
    this.#fetch = options.fetch;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#pinnedKeyIds = options.pinnedKeyIds && new Set(options.pinnedKeyIds);
  }

  async verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict> {
    // Before any fetch: a fetch cannot change the pins.
    if (this.#pinnedKeyIds?.has(keyId) === false) return "key_unknown";
    const ageMs = this.#ageMs();
    if (ageMs >= AGE_MS_MAX || (!this.#verifiers.has(keyId) && ageMs >= REFETCH_INTERVAL_MS)) await this.#refetch();
    // A failed background fetch is ignored: the next call tries again.
    else if (ageMs >= REFRESH_AGE_MS) this.#refetch().catch(() => {});
    const verify = this.#verifiers.get(keyId);
    if (verify === undefined) return "key_unknown";
    return (await verify(message, signature)) ? "valid" : "invalid";
  }

  #ageMs(): number {
    return this.#monotonic() - (this.#fetchedAtMs ?? Number.NEGATIVE_INFINITY);
  }

  /** Concurrent callers share one fetch. A failed fetch does not start the interval: the next call tries again. */
  #refetch(): Promise<void> {
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    // The age counts from the request, because an attacker can delay the answer.
    const requestedAtMs = this.#monotonic();
    this.#verifiers = await verifiersOf(await getJson(this.#url, { fetch: this.#fetch }));
    this.#fetchedAtMs = requestedAtMs;
  }
}

/** RFC 7517 5: unusable keys of the set are ignored. */
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

/** RFC 8037 2: the 32 bytes of an Ed25519 key; `undefined` if the JWK is no such key. */
function publicKeyOf(jwk: JsonValue): Uint8Array | undefined {
  const x = textMember(jwk, "x");
  if (textMember(jwk, "kty") !== "OKP" || textMember(jwk, "crv") !== "Ed25519" || !x || !/^[A-Za-z0-9_-]{43}$/.test(x))
    return undefined;
  const raw = base64Decode(x);
  return isStrictPublicKey(raw) ? raw : undefined;
}

/** RFC 7638: SHA-256 over the JWK's required members, in lexicographic order, without white space; base64url. */
async function thumbprint(raw: Uint8Array): Promise<string> {
  const members = `{"crv":"Ed25519","kty":"OKP","x":"${base64Encode(raw, "url")}"}`;
  return base64Encode(await sha256(new TextEncoder().encode(members)), "url");
}
