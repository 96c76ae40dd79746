import { loadSha256 } from "./noble.ts";

/** Returns the SHA-256 hash of the bytes: 32 bytes. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  // Despite its type, WebCrypto can be missing: in React Native, and on pages over plain HTTP.
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) return (await loadSha256())(bytes);
  return new Uint8Array(await subtle.digest("SHA-256", copyOf(bytes)));
}

/** Returns the chunks as one array. A single chunk is not copied. `size`: the sum of the lengths of all chunks. */
export function joinBytes(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [first, ...others] = chunks;
  if (first !== undefined && others.length === 0) return first;
  const joined = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}

/** Returns true if the bytes are equal. Do not use it for secrets: its running time depends on the bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}

/** Copies the bytes into a new ArrayBuffer, because WebCrypto does not accept bytes in a SharedArrayBuffer. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Fills the given array with random bytes. */
export type FillRandom = (bytes: Uint8Array) => void;

export const systemRandom: FillRandom = (bytes) => {
  // The random bytes are copied, because WebCrypto does not fill bytes in a SharedArrayBuffer.
  bytes.set(crypto.getRandomValues(new Uint8Array(bytes.byteLength)));
};
