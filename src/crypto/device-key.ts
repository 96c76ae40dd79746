import type { DeviceKeyAlgorithm, VerifyingKey } from "../core/keys.ts";
import { verifyingKey } from "./ed25519.ts";
import { es256VerifyingKey } from "./es256.ts";
import { isStrictPublicKey } from "./public-key.ts";

interface KeyFunctions {
  readonly toKey: (raw: Uint8Array) => VerifyingKey | undefined;
  readonly isStrict: (raw: Uint8Array) => boolean;
}

const FUNCTIONS: Readonly<Record<DeviceKeyAlgorithm, KeyFunctions>> = {
  EdDSA: { toKey: verifyingKey, isStrict: isStrictPublicKey },
  ES256: { toKey: es256VerifyingKey, isStrict: (raw) => es256VerifyingKey(raw) !== undefined },
};

/**
 * Returns the verifying key of a session, from its algorithm and its raw public key. The algorithm must come from the session:
 * never from a request, and never from the size of the key.
 *
 * - ES256: returns `undefined` if the bytes are not a valid key.
 * - EdDSA: if the public key is weak or is not a curve point, the returned key rejects every signature.
 *
 * The function is called for every session look-up, and takes 1 to 2 µs.
 */
export function deviceKey(algorithm: DeviceKeyAlgorithm, raw: Uint8Array): VerifyingKey | undefined {
  return FUNCTIONS[algorithm].toKey(raw);
}

/** Whether a login may register this public key. For Ed25519, the check takes 40 µs. */
export function isStrictDeviceKey(algorithm: DeviceKeyAlgorithm, raw: Uint8Array): boolean {
  return FUNCTIONS[algorithm].isStrict(raw);
}
