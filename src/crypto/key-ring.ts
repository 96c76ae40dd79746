import { createHash, type KeyObject } from "node:crypto";
import type { Signer } from "../core/keys.ts";
import { privateKeyObject, rawPublicKey, signEd25519 } from "./ed25519.ts";
import { eventIdKey } from "./event-ids.ts";

/** An Ed25519 public key as a JWK (RFC 8037). */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** The 32 raw bytes of the public key, as base64url. */
  readonly x: string;
  /** The thumbprint of the key (RFC 7638). */
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

/**
 * The seeds of the gateway's keys, 32 bytes each. The gateway signs with `current` and publishes the public keys of all seeds.
 */
export interface KeySeeds {
  readonly current: Uint8Array;
  /**
   * The seed of the next signing key. Its public key is published in advance, so that clients know it before the first
   * signature of this key arrives.
   */
  readonly next?: Uint8Array | undefined;
  /**
   * The seed of the previous signing key. Its public key is still published, because signatures of this key may still be on
   * their way to clients.
   */
  readonly previous?: Uint8Array | undefined;
}

/** The gateway's signing keys. */
export class KeyRing implements Signer {
  #keys: RingKeys;

  constructor(seeds: KeySeeds) {
    const signing = privateKeyObject(seeds.current);
    const current = publicJwk(rawPublicKey(signing));
    const others = [seeds.next, seeds.previous].filter((seed) => seed !== undefined);
    this.#keys = {
      signing,
      keyId: current.kid,
      jwks: { keys: [current, ...others.map((seed) => publicJwk(rawPublicKey(privateKeyObject(seed))))] },
      eventIdKeys: [eventIdKey(seeds.current), ...others.map(eventIdKey)],
    };
  }

  get keyId(): string {
    return this.#keys.keyId;
  }

  /** The body of `GET /.well-known/jwks.json`. */
  get jwks(): RingKeys["jwks"] {
    return this.#keys.jwks;
  }

  /** The keys of event ids (see `EventIds`), one per seed. The first key belongs to the current seed. */
  get eventIdKeys(): RingKeys["eventIdKeys"] {
    return this.#keys.eventIdKeys;
  }

  /** Uses the keys of `other` from now on. Callers must not await between `keyId` and `sign`, because the key may change. */
  adopt(other: KeyRing): void {
    this.#keys = other.#keys;
  }

  sign(message: Uint8Array): Uint8Array {
    return signEd25519(message, this.#keys.signing);
  }
}

interface RingKeys {
  readonly signing: KeyObject;
  readonly keyId: string;
  readonly jwks: { readonly keys: readonly PublicJwk[] };
  readonly eventIdKeys: readonly [Uint8Array, ...Uint8Array[]];
}

/** Returns the JWK of a public key, which is given as 32 raw bytes. */
export function publicJwk(raw: Uint8Array): PublicJwk {
  return { kty: "OKP", crv: "Ed25519", x: base64url(raw), kid: jwkThumbprint(raw), use: "sig", alg: "EdDSA" };
}

/**
 * Returns the thumbprint of a public key, as base64url. RFC 7638: the SHA-256 of the JWK's required members, in lexicographic
 * order, without white space.
 */
export function jwkThumbprint(raw: Uint8Array): string {
  const members = `{"crv":"Ed25519","kty":"OKP","x":"${base64url(raw)}"}`;
  return createHash("sha256").update(members).digest("base64url");
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}
