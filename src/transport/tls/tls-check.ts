import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { TlsIdentity } from "../../core/listen.ts";
import { TlsFilesError } from "../../core/start-error.ts";

/** The earliest expiry of the valid certificates in one file. */
export interface TlsExpiry {
  readonly file: "certificate" | "client_ca";
  readonly expiresMs: number;
}

/** The names of the TLS files in error messages. */
export interface TlsFileNames {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
}

/**
 * Checks a TLS identity before listeners use it, and returns the expiry of each file. Throws `TlsFilesError` in these cases:
 *
 * - A file is incomplete or cannot be parsed.
 * - A certificate of the chain is not valid at `nowMs`.
 * - The key does not belong to the first certificate.
 * - None of the client authorities is valid at `nowMs`.
 * - The TLS library rejects the identity, or the RSA key is shorter than `RSA_BITS_MIN`.
 *
 * Listeners do not check all of this. For example, a listener opens with an empty certificate chain, but every handshake fails.
 */
export function checkTlsIdentity(identity: TlsIdentity, names: TlsFileNames, nowMs: number): readonly TlsExpiry[] {
  const chain = parseCertificates(identity.certificate, names.certificate);
  const key = parseKey(identity.privateKey, names.key);
  if (chain[0]?.checkPrivateKey(key) !== true) throw misfit(names, "the key does not belong to the first certificate");
  for (const [index, certificate] of chain.entries()) {
    const wrong = dateProblem(certificate, nowMs);
    if (wrong !== undefined) throw new TlsFilesError(names.certificate, `certificate ${index + 1} of ${chain.length} ${wrong}`);
  }
  const expiries: TlsExpiry[] = [{ file: "certificate", expiresMs: firstExpiry(chain) }];
  const { clientAuthority } = identity;
  if (clientAuthority !== undefined) {
    const valid = validAuthorities(parseCertificates(clientAuthority, names.clientCa), names.clientCa, nowMs);
    expiries.push({ file: "client_ca", expiresMs: firstExpiry(valid) });
  }
  checkContext(identity, names);
  return expiries;
}

/** Matches the first line of a certificate in PEM: with the label of RFC 7468 5.1, or with one of two labels of OpenSSL. */
const BEGIN = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]+-----END \1-----/g;

function parseCertificates(pem: string, name: string): readonly X509Certificate[] {
  const blocks = [...pem.matchAll(CERTIFICATE)].map(([block]) => block);
  if (blocks.length < [...pem.matchAll(BEGIN)].length) throw new TlsFilesError(name, "a certificate is cut off");
  if (blocks.length === 0) throw new TlsFilesError(name, "the file contains no certificate in PEM format");
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new TlsFilesError(`${name}: certificate ${index + 1} of ${blocks.length} cannot be parsed`, cause);
    }
  });
}

function parseKey(pem: string, name: string): KeyObject {
  if (pem.trim() === "") throw new TlsFilesError(name, "the file contains no private key in PEM format");
  const key = decodeKey(pem, name);
  const bits = key.asymmetricKeyType === "rsa" ? (key.asymmetricKeyDetails?.modulusLength ?? 0) : RSA_BITS_MIN;
  if (bits < RSA_BITS_MIN) throw new TlsFilesError(name, `an RSA key of ${bits} bits, expected at least ${RSA_BITS_MIN}`);
  return key;
}

/**
 * Minimum length of an RSA key, in bits. With a shorter key, every handshake fails, because signatures of TLS 1.3 (RFC 8446
 * 4.2.3) do not fit into the key.
 */
const RSA_BITS_MIN = 1024;

function decodeKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new TlsFilesError(`${name} contains no private key in PEM format without encryption`, cause);
  }
}

/**
 * Returns the reason why a certificate is not valid now (RFC 5280 4.1.2.5). Returns `undefined` if the certificate is valid.
 */
function dateProblem({ validFromDate, validToDate }: X509Certificate, nowMs: number): string | undefined {
  if (nowMs > validToDate.getTime()) return `expired at ${validToDate.toISOString()}`;
  return nowMs < validFromDate.getTime() ? `is not valid before ${validFromDate.toISOString()}` : undefined;
}

/**
 * Returns the authorities that are valid now. Throws if none is valid. A bundle may contain expired authorities, because
 * handshakes ignore them.
 */
function validAuthorities(all: readonly X509Certificate[], name: string, nowMs: number): readonly X509Certificate[] {
  const valid = all.filter((authority) => dateProblem(authority, nowMs) === undefined);
  if (valid.length === 0) throw new TlsFilesError(name, "none of its certificates is valid now");
  return valid;
}

function firstExpiry(certificates: readonly X509Certificate[]): number {
  return Math.min(...certificates.map(({ validToDate }) => validToDate.getTime()));
}

/** Creates a TLS context, so that the TLS library checks whether it can use the certificates and the key together. */
function checkContext({ certificate, privateKey, clientAuthority }: TlsIdentity, names: TlsFileNames): void {
  try {
    createSecureContext({ cert: certificate, key: privateKey, ca: clientAuthority });
  } catch (cause) {
    throw misfit(names, cause);
  }
}

function misfit({ certificate, key }: TlsFileNames, cause: unknown): TlsFilesError {
  return new TlsFilesError(`${certificate} and ${key} cannot be used together`, cause);
}
