import type { Subtle } from "../../../src/client/ed25519.ts";

const unsupported = () => Promise.reject(new DOMException("no such curve", "NotSupportedError"));
const unexpected = () => Promise.reject(new Error("unexpected call"));

/** The WebCrypto of a runtime without Ed25519 and P-256. */
export const NO_ED25519: Subtle = {
  importKey: unsupported,
  generateKey: unsupported,
  exportKey: unexpected,
  sign: unexpected,
  verify: unexpected,
};
