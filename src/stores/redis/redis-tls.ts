import { readFileSync } from "node:fs";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { RedisUnavailable } from "./redis-call.ts";

/** The path of a PEM file, and the name of its setting. Error messages contain the name. */
export interface NamedFile {
  readonly name: string;
  readonly path: string | undefined;
}

/**
 * The PEM files for TLS. Without `ca`, the certificate authorities of the system are trusted. Without `cert` and `key`, the
 * gateway sends no client certificate.
 */
export interface RedisTlsFiles {
  readonly ca: NamedFile;
  readonly cert: NamedFile;
  readonly key: NamedFile;
}

/** The trusted certificate authorities, and the client certificate with its private key, as PEM texts. */
export interface RedisTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * Reads the TLS files. Call this for each new connection, so that a renewed file is used without a restart. Throws
 * `RedisUnavailable` if a file cannot be read.
 */
export function readRedisTls({ ca, cert, key }: RedisTlsFiles): RedisTls {
  return { ca: readPem(ca), cert: readPem(cert), key: readPem(key) };
}

function readPem({ name, path }: NamedFile): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new RedisUnavailable(`${name} (${pathShown(path)}) cannot be read: ${whyUnreadable(cause)}`);
  }
}
