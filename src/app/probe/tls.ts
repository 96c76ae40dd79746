import { X509Certificate } from "node:crypto";
import { messageOf } from "../../core/cause.ts";
import { readIdentity } from "../listeners.ts";
import { error, type Finding, ok, type Probe, warning } from "./finding.ts";

const DAY_MS = 86_400_000;
/** If a certificate expires in fewer days, the probe warns. Equals `WARN_DAYS` in transport/tls/tls-expiry.ts. */
const WARN_DAYS = 14;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Probes the TLS files of the public listeners: dates, key, and the order of the chain. */
export const probeTlsFiles: Probe = async (config, { clock }) => {
  const setting = "tls.certificate_file";
  try {
    const checked = readIdentity(config, clock);
    if (checked === undefined) return [];
    const chain = [...checked.identity.certificate.matchAll(CERTIFICATE)].map(([pem]) => new X509Certificate(pem));
    const firstMs = Math.min(...checked.expiries.map(({ expiresMs }) => expiresMs));
    const days = Math.floor((firstMs - clock.now()) / DAY_MS);
    const expiry: Finding =
      days < WARN_DAYS
        ? warning(setting, `a certificate expires in ${days} days; renew it`)
        : ok(setting, `the key fits, and the certificates are valid for ${days} days`);
    return [expiry, ...chainFindings(chain, setting)];
  } catch (thrown) {
    return [error(setting, messageOf(thrown))];
  }
};

/**
 * Each certificate must be signed by the next one (RFC 8446 4.4.2). Clients may refuse a chain that has another order or lacks a
 * certificate.
 */
function chainFindings(chain: readonly X509Certificate[], setting: string): Finding[] {
  const broken = chain.findIndex((certificate, index) => {
    const issuer = chain[index + 1];
    return issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  });
  if (broken >= 0) {
    const text = `certificate ${broken + 2} of ${chain.length} did not sign certificate ${broken + 1}`;
    return [warning(setting, `${text}; write the server's certificate first, then the one that signed it, and so on`)];
  }
  const [leaf] = chain;
  const isSelfSigned = leaf?.checkIssued(leaf) === true;
  if (chain.length > 1 || isSelfSigned) return [];
  const text = "the file has no certificate of the issuer";
  return [warning(setting, `${text}; unless a root authority signed it directly, append the intermediate certificates`)];
}
