export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromText(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

export function toText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
}

export function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** One frame of a signing input: four bytes of length, then the value. */
export interface Frame {
  readonly length: Uint8Array;
  readonly value: Uint8Array;
}

/** Splits a signing input into its frames (proto/README.md, "What is signed"). */
export function framesOf(signingInput: Uint8Array): Frame[] {
  const view = new DataView(signingInput.buffer, signingInput.byteOffset, signingInput.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at < signingInput.length; ) {
    const start = at + 4;
    const end = start + view.getUint32(at);
    frames.push({ length: signingInput.slice(at, start), value: signingInput.slice(start, end) });
    at = end;
  }
  return frames;
}
