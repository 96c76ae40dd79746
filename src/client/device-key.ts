import { getPublicKeyAsync } from "@noble/ed25519";
import { copyOf, type FillRandom, systemRandom } from "./bytes.ts";
import { signerFor } from "./ed25519.ts";

const SEED_BYTES = 32;

/** The Ed25519 key pair of a device session. Implement it yourself if the private key stays in hardware. */
export interface DeviceKey {
  /** The public key, 32 bytes (RFC 8032 5.1.5). The login registers it with the session. */
  readonly publicKey: Uint8Array;
  /** Resolves to the 64-byte Ed25519 signature of the message. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** A device key in memory. Store its seed to use the same device session after a restart. */
export interface ExportableDeviceKey extends DeviceKey {
  /** Returns a copy of the 32-byte seed (RFC 8032 5.1.5). The seed is the private key: keep it secret. */
  exportSeed(): Uint8Array;
}

/** Creates a random device key. */
export async function generateDeviceKey(fillRandom: FillRandom = systemRandom): Promise<ExportableDeviceKey> {
  const seed = new Uint8Array(SEED_BYTES);
  fillRandom(seed);
  return importDeviceKey(seed);
}

/** Restores a device key from its exported seed. Rejects with `RangeError` unless the seed has 32 bytes. */
export async function importDeviceKey(seed: Uint8Array): Promise<ExportableDeviceKey> {
  if (seed.byteLength !== SEED_BYTES) throw new RangeError(`seed: ${SEED_BYTES} bytes expected, ${seed.byteLength} given`);
  const ownSeed = copyOf(seed);
  const sign = await signerFor(ownSeed);
  const publicKey = await getPublicKeyAsync(ownSeed);
  return { publicKey, sign, exportSeed: () => copyOf(ownSeed) };
}
