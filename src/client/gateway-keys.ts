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
}

/** A gateway has three keys at most; a set with more than this is somebody else's. */
const KEYS_MAX = 16;
/** Between two fetches: forged key ids must not turn clients into a flood. A key is published long before it signs. */
const REFETCH_INTERVAL_MS = 10_000;

/** The gateway's public keys, as its edge port publishes them. Fetched when first needed, and again when an unknown key id is met. */
export class GatewayKeys implements GatewayKeySource {
  readonly #url: string;
  readonly #fetch: Fetch | undefined;
  readonly #monotonic: () => number;
  #verifiers: ReadonlyMap<string, Verify> = new Map();
  #fetchedAtMs: number | undefined;
  #fetching: Promise<void> | undefined;

  constructor(baseUrl: string, options: GatewayKeysOptions = {}) {
    this.#url = new URL("/.well-known/jwks.json", baseUrl).href;
    this.#fetch = options.fetch;
    this.#monotonic = options.monotonic ?? (() => performance.now());
  }

  async verify(keyId: string, message: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict> {
    if (!this.#verifiers.has(keyId)) await this.#refetch();
    const verify = this.#verifiers.get(keyId);
    if (verify === undefined) return "key_unknown";
    return (await verify(message, signature)) ? "valid" : "invalid";
  }

  /** One fetch at a time serves all who wait. A fetch that failed is no fetch: the next caller tries again. */
  #refetch(): Promise<void> {
    const sinceMs = this.#monotonic() - (this.#fetchedAtMs ?? Number.NEGATIVE_INFINITY);
    if (sinceMs < REFETCH_INTERVAL_MS) return Promise.resolve();
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    this.#verifiers = await verifiersOf(await getJson(this.#url, { fetch: this.#fetch }));
    this.#fetchedAtMs = this.#monotonic();
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
