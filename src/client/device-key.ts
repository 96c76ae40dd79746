import { getPublicKeyAsync } from "@noble/ed25519";
import { type FillRandom, owned, systemRandom } from "./bytes.ts";
import { signerFor } from "./ed25519.ts";

const SEED_BYTES = 32;

/** The key of a device session. An application may bring its own, whose private half never leaves the hardware. */
export interface DeviceKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The 64-byte Ed25519 signature of a message. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** A device key in memory, which can be stored and loaded again. */
export interface ExportableDeviceKey extends DeviceKey {
  /** The 32-byte seed (RFC 8032 5.1.5). Whoever has it is the device. */
  exportSeed(): Uint8Array;
}

/** A new device key. */
export async function generateDeviceKey(fillRandom: FillRandom = systemRandom): Promise<ExportableDeviceKey> {
  const seed = new Uint8Array(SEED_BYTES);
  fillRandom(seed);
  return importDeviceKey(seed);
}

/** The device key of a 32-byte seed. */
export async function importDeviceKey(seed: Uint8Array): Promise<ExportableDeviceKey> {
  if (seed.byteLength !== SEED_BYTES) throw new RangeError(`seed: ${SEED_BYTES} bytes expected, ${seed.byteLength} given`);
  const own = owned(seed);
  const sign = await signerFor(own);
  const publicKey = await getPublicKeyAsync(own);
  return { publicKey, sign, exportSeed: () => owned(own) };
}
