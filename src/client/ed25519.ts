import { base64Decode } from "@bufbuild/protobuf/wire";
import { copyOf } from "./bytes.ts";
import { loadEd25519 } from "./noble.ts";

/** This file makes and verifies Ed25519 signatures with WebCrypto. If WebCrypto lacks Ed25519, it uses @noble/ed25519. */

const ED25519 = "Ed25519";
const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** In PKCS #8, an Ed25519 private key is these bytes followed by the 32-byte seed (RFC 8410, OneAsymmetricKey). */
const PKCS8_PREFIX = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/** Signs the message. Resolves to the 64-byte signature. */
export type Sign = (message: Uint8Array) => Promise<Uint8Array>;
export type Verify = (message: Uint8Array, signature: Uint8Array) => Promise<boolean>;
/** The functions of WebCrypto that this package uses. `null` if there is no WebCrypto, such as on a page over plain HTTP. */
export type Subtle = Pick<SubtleCrypto, "importKey" | "exportKey" | "generateKey" | "sign" | "verify"> | null;

/** Returns the WebCrypto of the runtime, or `null` if there is none. Its TypeScript type does not show that it can be missing. */
export function systemSubtle(): Subtle {
  return globalThis.crypto?.subtle ?? null;
}

/** Returns the public key of a 32-byte seed, and a function that signs with its private key. */
export async function keyPairOf(
  seed: Uint8Array,
  subtle: Subtle = systemSubtle(),
): Promise<{ readonly publicKey: Uint8Array; readonly sign: Sign }> {
  if (seed.byteLength !== SEED_BYTES) throw new RangeError(`seed: ${SEED_BYTES} bytes expected, ${seed.byteLength} given`);
  const pkcs8 = new Uint8Array([...PKCS8_PREFIX, ...seed]);
  const key = await unlessUnsupported(() => subtle?.importKey("pkcs8", pkcs8, ED25519, true, ["sign"]));
  if (subtle && key) {
    const { x = "" } = await subtle.exportKey("jwk", key);
    const sign: Sign = async (message) => new Uint8Array(await subtle.sign(ED25519, key, copyOf(message)));
    return { publicKey: base64Decode(x), sign };
  }
  const ed25519 = await loadEd25519();
  const ownSeed = copyOf(seed);
  return { publicKey: ed25519.getPublicKey(ownSeed), sign: async (message) => ed25519.sign(message, ownSeed) };
}

/**
 * Returns a function that verifies signatures strictly (RFC 8032 5.1.7). The function rejects every signature if the public key
 * is weak or invalid.
 */
export async function verifierFor(publicKey: Uint8Array, subtle: Subtle = systemSubtle()): Promise<Verify> {
  if (isWeakPublicKey(publicKey)) return async () => false;
  const ownKey = copyOf(publicKey);
  const verify = (await nativeVerifier(ownKey, subtle)) ?? (await nobleVerifier(ownKey));
  return async (message, signature) => signature.byteLength === SIGNATURE_BYTES && verify(message, signature);
}

async function nativeVerifier(publicKey: Uint8Array<ArrayBuffer>, subtle: Subtle): Promise<Verify | undefined> {
  const key = await unlessUnsupported(() => subtle?.importKey("raw", publicKey, ED25519, false, ["verify"]));
  if (!subtle || !key) return undefined;
  return (message, signature) => subtle.verify(ED25519, key, copyOf(signature), copyOf(message));
}

async function nobleVerifier(publicKey: Uint8Array): Promise<Verify> {
  const { verify } = await loadEd25519();
  return async (message, signature) => verify(signature, message, publicKey, { zip215: false });
}

/**
 * The y coordinates of the 8 curve points of small order, little-endian, with the sign bit cleared. Points that differ only in
 * this bit share a row. The points of the rows have the orders 4, 1, 2, 8 and 8.
 */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

/** Matches a y coordinate that is not canonical: it is at least the prime of the field (little-endian `ed ff … ff 7f`). */
const NOT_CANONICAL_Y = /^(?:e[d-f]|f.)f{60}7f$/;

/**
 * Returns true if the key has a small order, is not canonical (RFC 8032 5.1.3), or is not 32 bytes long. Every signature by such
 * a key must be rejected. Anybody can forge signatures for a key of small order.
 */
export function isWeakPublicKey(raw: Uint8Array): boolean {
  if (raw.byteLength !== PUBLIC_KEY_BYTES) return true;
  const y = Array.from(raw, (byte, at) =>
    (at === PUBLIC_KEY_BYTES - 1 ? byte & 0x7f : byte).toString(16).padStart(2, "0"),
  ).join("");
  return NOT_CANONICAL_Y.test(y) || SMALL_ORDER_Y.has(y);
}

/** Runs a call of WebCrypto. Resolves to `undefined` if WebCrypto is missing, or if the call fails. */
async function unlessUnsupported<T>(call: () => Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await call();
  } catch {
    // Runtimes report an unknown algorithm by different errors, so every error counts as unsupported.
    // The caller then tries @noble/ed25519, which also rejects an invalid key.
    return undefined;
  }
}
