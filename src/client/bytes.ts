/** Returns the SHA-256 hash of the bytes: 32 bytes. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", copyOf(bytes)));
}

/** Returns true if the bytes are equal. Do not use it for secrets: its running time depends on the bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}

/** Copies the bytes into a new ArrayBuffer. WebCrypto does not accept bytes in a SharedArrayBuffer. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Fills the given array with random bytes. */
export type FillRandom = (bytes: Uint8Array<ArrayBuffer>) => void;

export const systemRandom: FillRandom = (bytes) => {
  crypto.getRandomValues(bytes);
};
