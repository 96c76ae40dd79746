/** SHA-256, 32 bytes. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", owned(bytes)));
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}

/** The same bytes over an ArrayBuffer of their own, as WebCrypto demands. */
export function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Where random bytes come from: fills the array that it is given. */
export type FillRandom = (bytes: Uint8Array<ArrayBuffer>) => void;

export const systemRandom: FillRandom = (bytes) => {
  crypto.getRandomValues(bytes);
};
