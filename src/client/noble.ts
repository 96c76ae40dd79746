/**
 * Loads @noble/ed25519, for runtimes without Ed25519 in WebCrypto. The library is at least ten times slower than WebCrypto.
 *
 * The import is dynamic. So a bundler that splits code puts the library into a separate file, and only runtimes without Ed25519
 * load this file. SHA-512 comes from the package @noble/hashes, because React Native and pages over plain HTTP have no
 * WebCrypto.
 */
export async function loadEd25519() {
  const [ed25519, { sha512 }] = await Promise.all([import("@noble/ed25519"), import("@noble/hashes/sha2.js")]);
  ed25519.hashes.sha512 = sha512;
  return ed25519;
}

/** Loads SHA-256 of @noble/hashes, for runtimes without WebCrypto. */
export async function loadSha256(): Promise<(bytes: Uint8Array) => Uint8Array> {
  return (await import("@noble/hashes/sha2.js")).sha256;
}
