import type { TlsIdentity } from "../../core/listen.ts";

/**
 * TLS options of a server, for `Bun.serve` and `node:tls`. A client certificate is required if the identity names client authorities,
 * and is not requested otherwise.
 */
export function serverTlsOptions({ certificate: cert, privateKey: key, clientAuthority: ca }: TlsIdentity) {
  return ca === undefined ? { cert, key } : { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}
