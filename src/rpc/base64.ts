/** Returns the bytes in base64, padded (RFC 4648 4), as ASCII. gRPC-Web text sends each frame in this form. */
export function encodeBase64(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Buffer.from(bytes.toBase64(), "latin1");
}
