import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issuedBy, selfSigned } from "./certificates.ts";

/** A certificate of the gateway that can be renewed: both certificates are of the same authority. */
export async function certificateOf() {
  const authority = await selfSigned("Reload CA");
  const folder = mkdtempSync(join(tmpdir(), "sallyport-reload-"));
  const files = { "tls.certificate_file": join(folder, "certificate.pem"), "tls.key_file": join(folder, "key.pem") };
  const renew = async () => {
    const leaf = await issuedBy(authority, "localhost");
    copyFileSync(leaf.certificateFile, files["tls.certificate_file"]);
    copyFileSync(leaf.keyFile, files["tls.key_file"]);
  };
  await renew();
  return { ca: authority.certificate, settings: files, renew };
}

/** A fetch that trusts this authority. */
export function fetchTrusting(ca: string): typeof fetch {
  return Object.assign((input: string | URL | Request, init?: RequestInit) => fetch(input, { ...init, tls: { ca } }), {
    preconnect: fetch.preconnect,
  });
}
