import { copyOf, type FillRandom, systemRandom } from "./bytes.ts";
import { keyPairOf } from "./ed25519.ts";

const SEED_BYTES = 32;

/** The algorithm of a device key, by its name in JOSE: Ed25519 (`EdDSA`), or ECDSA on P-256 with SHA-256 (`ES256`). */
export type KeyAlgorithm = "EdDSA" | "ES256";

/** The key pair of a device session. Implement it yourself if the private key stays in hardware. */
export interface DeviceKey {
  /** The algorithm of the key. Default: `EdDSA`. */
  readonly algorithm?: KeyAlgorithm | undefined;
  /**
   * The public key. The login registers it with the session.
   * - `EdDSA`: 32 bytes (RFC 8032 5.1.5).
   * - `ES256`: the 65 bytes of the uncompressed point (SEC 1, 2.3.3).
   */
  readonly publicKey: Uint8Array;
  /**
   * Resolves to the 64-byte signature of the message.
   * - `EdDSA`: the Ed25519 signature of the message itself.
   * - `ES256`: R ‖ S, 32 bytes each, over the SHA-256 hash of the message. WebCrypto makes this form. The gateway refuses DER.
   */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** An Ed25519 key in memory. Store its seed to use the same device session after a restart. */
export interface ExportableDeviceKey extends DeviceKey {
  readonly algorithm: "EdDSA";
  /** Returns a copy of the 32-byte seed (RFC 8032 5.1.5). The seed is the private key: keep it secret. */
  exportSeed(): Uint8Array;
}

/** Creates a random Ed25519 key whose seed can be exported: for the file store, or for a store of your own. */
export async function generateExportableDeviceKey(fillRandom: FillRandom = systemRandom): Promise<ExportableDeviceKey> {
  const seed = new Uint8Array(SEED_BYTES);
  fillRandom(seed);
  return importDeviceKey(seed);
}

/** Restores a device key from its exported seed. Rejects with `RangeError` unless the seed has 32 bytes. */
export async function importDeviceKey(seed: Uint8Array): Promise<ExportableDeviceKey> {
  const ownSeed = copyOf(seed);
  const { publicKey, sign } = await keyPairOf(ownSeed);
  return { algorithm: "EdDSA", publicKey, sign, exportSeed: () => copyOf(ownSeed) };
}
