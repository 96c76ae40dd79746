import { createHash } from "node:crypto";
import type { DeviceKey } from "../../client/device-key.ts";

/** Returns the id of a device key: its RFC 7638 thumbprint. The key ids of the gateway are thumbprints too. */
export function keyIdOf({ algorithm, publicKey }: DeviceKey): string {
  return createHash("sha256").update(thumbprintMembers(algorithm, publicKey)).digest("base64url");
}

/** The required members of the public JWK, in lexicographic order (RFC 7638 3). */
function thumbprintMembers(algorithm: DeviceKey["algorithm"], publicKey: Uint8Array): string {
  const base64url = (from: number, to: number) => Buffer.from(publicKey.subarray(from, to)).toString("base64url");
  if (algorithm !== "ES256") return `{"crv":"Ed25519","kty":"OKP","x":"${base64url(0, 32)}"}`;
  return `{"crv":"P-256","kty":"EC","x":"${base64url(1, 33)}","y":"${base64url(33, 65)}"}`;
}
