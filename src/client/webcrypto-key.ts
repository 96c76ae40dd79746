import { copyOf } from "./bytes.ts";
import { type DeviceKey, generateExportableDeviceKey, type KeyAlgorithm } from "./device-key.ts";
import { type Subtle, systemSubtle } from "./ed25519.ts";
import { SallyportError } from "./errors.ts";

const PARAMETERS = {
  EdDSA: { key: "Ed25519", signature: "Ed25519" },
  ES256: { key: { name: "ECDSA", namedCurve: "P-256" }, signature: { name: "ECDSA", hash: "SHA-256" } },
} as const satisfies Record<KeyAlgorithm, { key: unknown; signature: unknown }>;

/**
 * A device key of WebCrypto. A script in the page can use the key, but not copy it: the private key cannot be exported, except if
 * it was generated with `exportable`.
 */
export class WebCryptoDeviceKey implements DeviceKey {
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: Uint8Array;
  /** The private key. IndexedDB can store this object even if the key cannot be exported. */
  readonly privateKey: CryptoKey;

  constructor(algorithm: KeyAlgorithm, publicKey: Uint8Array, privateKey: CryptoKey) {
    this.algorithm = algorithm;
    this.publicKey = publicKey;
    this.privateKey = privateKey;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    const { signature } = PARAMETERS[this.algorithm];
    return new Uint8Array(await crypto.subtle.sign(signature, this.privateKey, copyOf(message)));
  }
}

export interface GenerateDeviceKeyOptions {
  /** The algorithms to try, in this order. Default: `EdDSA`, then `ES256`. */
  readonly algorithms?: readonly KeyAlgorithm[] | undefined;
  /** Makes a private key that can be exported. The file store stores only such keys. Default: false. */
  readonly exportable?: boolean | undefined;
}

/**
 * Creates a random device key. If WebCrypto supports one of the algorithms, the private key cannot be exported,
 * except with the option `exportable`.
 *
 * If WebCrypto supports none of the algorithms:
 * - If `algorithms` contains `EdDSA`, the key is an `ExportableDeviceKey` of `@noble/ed25519`.
 * - Otherwise, rejects with a `SallyportError` of code `key_unsupported`.
 */
export function generateDeviceKey(options: GenerateDeviceKeyOptions = {}): Promise<DeviceKey> {
  return generateKeyBy(systemSubtle(), options);
}

/** Like `generateDeviceKey`, but uses `subtle` instead of the WebCrypto of the runtime. */
export async function generateKeyBy(subtle: Subtle, options: GenerateDeviceKeyOptions): Promise<DeviceKey> {
  const { algorithms = ["EdDSA", "ES256"], exportable = false } = options;
  for (const algorithm of algorithms) {
    const key = await generateNative(algorithm, subtle, exportable);
    if (key !== undefined) return key;
  }
  if (algorithms.includes("EdDSA")) return generateExportableDeviceKey();
  throw new SallyportError(`this runtime cannot make a key of ${algorithms.join(" or ")}`, { code: "key_unsupported" });
}

/** Resolves to `undefined` if WebCrypto does not exist or does not support the algorithm. */
async function generateNative(
  algorithm: KeyAlgorithm,
  subtle: Subtle,
  exportable: boolean,
): Promise<WebCryptoDeviceKey | undefined> {
  try {
    const pair = await subtle?.generateKey(PARAMETERS[algorithm].key, exportable, ["sign", "verify"]);
    if (subtle === null || pair === undefined || !("privateKey" in pair)) return undefined;
    const publicKey = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
    return new WebCryptoDeviceKey(algorithm, publicKey, pair.privateKey);
  } catch {
    // For an unsupported algorithm, runtimes throw different errors. So any error here means that the algorithm is not supported.
    return undefined;
  }
}
