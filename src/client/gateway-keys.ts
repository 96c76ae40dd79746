import type { JsonValue } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { sha256 } from "./bytes.ts";
import { isStrictPublicKey, type Verify, verifierFor } from "./ed25519.ts";
import { member, textMember } from "./json.ts";
import { type Fetch, getJson } from "./rest.ts";

export type SignatureVerdict = "valid" | "invalid" | "key_unknown";

/** Knows the gateway's public keys. */
export interface GatewayKeySource {
  /** Whether the gateway's key `keyId` made this signature of the message. */
  verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict>;
}

export interface GatewayKeysOptions {
  readonly fetch?: Fetch | undefined;
  /** Milliseconds since some fixed moment, never stepping back. */
  readonly monotonic?: (() => number) | undefined;
  /**
   * The only key ids that are taken, of those that the gateway publishes: a key id is the SHA-256 of its key (RFC 7638). Whoever can serve the
   * app another key set is not believed then. Name the next key here, too, before the gateway rotates to it.
   */
  readonly pinnedKeyIds?: readonly string[] | undefined;
}

/** A gateway has three keys at most; a set with more than this is somebody else's. */
const KEYS_MAX = 16;
/** Between two fetches: forged key ids must not turn clients into a flood. A key is published long before it signs. */
const REFETCH_INTERVAL_MS = 10_000;
/** PROTOCOL (proto/README.md), "Public REST": how long a key set may be kept. A key that was withdrawn is not taken for longer. */
const AGE_MS_MAX = 5 * 60_000;
/** From here on the set is fetched anew while it still serves, so that nobody waits for it. */
const REFRESH_AGE_MS = 4 * 60_000;

/**
 * The gateway's public keys, as its edge port publishes them. Fetched when first needed, when they are five minutes old, and when an
 * unknown key id is met. Keys that cannot be fetched anew by then are not taken.
 */
export class GatewayKeys implements GatewayKeySource {
  readonly #url: string;
  readonly #fetch: Fetch | undefined;
  readonly #monotonic: () => number;
  readonly #pinnedKeyIds: ReadonlySet<string> | undefined;
  #verifiers: ReadonlyMap<string, Verify> = new Map();
  #fetchedAtMs: number | undefined;
  #fetching: Promise<void> | undefined;

  constructor(baseUrl: string, options: GatewayKeysOptions = {}) {
    this.#url = new URL("/.well-known/jwks.json", baseUrl).href;
    this.#fetch = options.fetch;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#pinnedKeyIds = options.pinnedKeyIds && new Set(options.pinnedKeyIds);
  }

  async verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict> {
    // No fetch can make a key known that is not pinned.
    if (this.#pinnedKeyIds?.has(keyId) === false) return "key_unknown";
    const ageMs = this.#ageMs();
    if (ageMs >= AGE_MS_MAX || (!this.#verifiers.has(keyId) && ageMs >= REFETCH_INTERVAL_MS)) await this.#refetch();
    // Where it fails, whoever needs it in the last minute tries again.
    else if (ageMs >= REFRESH_AGE_MS) this.#refetch().catch(() => {});
    const verify = this.#verifiers.get(keyId);
    if (verify === undefined) return "key_unknown";
    return (await verify(message, signature)) ? "valid" : "invalid";
  }

  #ageMs(): number {
    return this.#monotonic() - (this.#fetchedAtMs ?? Number.NEGATIVE_INFINITY);
  }

  /** One fetch at a time serves all who wait. A fetch that failed is no fetch: the next caller tries again. */
  #refetch(): Promise<void> {
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    // The set is as old as the question: an answer may be held back.
    const askedAtMs = this.#monotonic();
    this.#verifiers = await verifiersOf(await getJson(this.#url, { fetch: this.#fetch }));
    this.#fetchedAtMs = askedAtMs;
  }
}

/** RFC 7517 5: a key that cannot be used is passed over. */
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

/** RFC 8037 2: the 32 bytes of an Ed25519 key. */
function publicKeyOf(jwk: JsonValue): Uint8Array | undefined {
  const x = textMember(jwk, "x");
  if (textMember(jwk, "kty") !== "OKP" || textMember(jwk, "crv") !== "Ed25519" || !x || !/^[A-Za-z0-9_-]{43}$/.test(x))
    return undefined;
  const raw = base64Decode(x);
  return isStrictPublicKey(raw) ? raw : undefined;
}

/** RFC 7638: SHA-256 over the JWK's required members, in lexicographic order, without white space. */
async function thumbprint(raw: Uint8Array): Promise<string> {
  const members = `{"crv":"Ed25519","kty":"OKP","x":"${base64Encode(raw, "url")}"}`;
  return base64Encode(await sha256(new TextEncoder().encode(members)), "url");
}
