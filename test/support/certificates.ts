import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate for 127.0.0.1 and localhost with its key, as files and texts. */
export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly certificate: string;
  readonly key: string;
}

/** A certificate that vouches for itself, under this name. Made by openssl, as an operator would. */
export async function selfSigned(name: string): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-tls-"));
  const keyFile = join(folder, "key.pem");
  const certificateFile = join(folder, "certificate.pem");
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const child = Bun.spawn(["openssl", "req", "-x509", ...curve, "-keyout", keyFile, "-out", certificateFile, ...subject], {
    stdout: "ignore",
    stderr: "pipe",
  });
  if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
  const [certificate, key] = await Promise.all([Bun.file(certificateFile).text(), Bun.file(keyFile).text()]);
  return { certificateFile, keyFile, certificate, key };
}
