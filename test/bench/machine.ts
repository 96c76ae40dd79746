import { verifyingKey } from "../../src/crypto/ed25519.ts";
import { KeyRing } from "../../src/crypto/key-ring.ts";

/** The absolute bounds are for a machine that verifies an Ed25519 signature in this time. */
const REFERENCE_VERIFY_MICROS = 55;
const VERIFICATIONS = 2000;
const ROUNDS = 3;

/** How many times slower this machine is than the reference, at least 1. */
export function machineFactor(): number {
  const ring = new KeyRing({ current: new Uint8Array(32).fill(1) });
  const message = new Uint8Array(200);
  const signature = ring.sign(message);
  const key = verifyingKey(Buffer.from(ring.jwks.keys[0]?.x ?? "", "base64url"));
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    for (let n = 0; n < VERIFICATIONS; n++) key.verify(message, signature);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / VERIFICATIONS;
  });
  return Math.max(1, Math.min(...rounds) / REFERENCE_VERIFY_MICROS);
}
