import { createHash, type KeyObject } from "node:crypto";
import type { Signer } from "../core/ports.ts";
import { privateKeyObject, rawPublicKey, signEd25519 } from "./ed25519.ts";

/** A public key as RFC 8037 writes it. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** base64url of the 32 raw bytes. */
  readonly x: string;
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

/** Seeds (32 bytes each) of the gateway's keys: it signs with `current`, and publishes all of them. */
export interface KeySeeds {
  readonly current: Uint8Array;
  /** Published ahead of its use, so that clients know it before the first signature with it. */
  readonly next?: Uint8Array | undefined;
  /** Published after its use, for signatures still under way. */
  readonly previous?: Uint8Array | undefined;
}

/** The gateway's signing keys: the one that signs now, and the public halves of all that clients may meet. */
export class KeyRing implements Signer {
  readonly keyId: string;
  /** `GET /.well-known/jwks.json` */
  readonly jwks: { readonly keys: readonly PublicJwk[] };
  readonly #current: KeyObject;

  constructor(seeds: KeySeeds) {
    this.#current = privateKeyObject(seeds.current);
    const current = publicJwk(rawPublicKey(this.#current));
    const others = [seeds.next, seeds.previous].filter((seed) => seed !== undefined);
    this.keyId = current.kid;
    this.jwks = { keys: [current, ...others.map((seed) => publicJwk(rawPublicKey(privateKeyObject(seed))))] };
  }

  sign(message: Uint8Array): Uint8Array {
    return signEd25519(message, this.#current);
  }
}

/** The JWK of a public key (32 raw bytes), with its thumbprint as `kid`. */
export function publicJwk(raw: Uint8Array): PublicJwk {
  return { kty: "OKP", crv: "Ed25519", x: base64url(raw), kid: jwkThumbprint(raw), use: "sig", alg: "EdDSA" };
}

/** RFC 7638: SHA-256 over the JWK's required members, in lexicographic order, without white space. */
export function jwkThumbprint(raw: Uint8Array): string {
  const members = `{"crv":"Ed25519","kty":"OKP","x":"${base64url(raw)}"}`;
  return createHash("sha256").update(members).digest("base64url");
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}
