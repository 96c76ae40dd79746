/** OpenSSL's error codes for a certificate whose issuer is not trusted. */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO|CERT_UNTRUSTED|INVALID_CA|CERT_SIGNATURE_FAILURE/;

/**
 * Returns a text for operators: why the TLS handshake with a server failed, and what to do. `code` is the error code of the
 * handshake. `caPlace` is the setting or variable that names the PEM file of a certificate authority.
 */
export function certificateProblem(code: string, caPlace: string): string {
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired; renew it";
  if (code === "CERT_NOT_YET_VALID") return "its certificate is not valid yet; compare the clocks of both machines";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return "its certificate is for another host name; write a name in the URL that the certificate has";
  }
  if (UNTRUSTED.test(code)) {
    return `its certificate is not signed by a trusted authority (${code}); install the authority in this system, or name its PEM file in ${caPlace}`;
  }
  if (/ALERT|CERTIFICATE_REQUIRED/.test(code))
    return `it refuses the TLS handshake (${code}); does it require a client certificate?`;
  return `the TLS handshake failed (${code})`;
}
