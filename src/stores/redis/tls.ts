import { readFileSync } from "node:fs";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { RedisUnavailable } from "./call.ts";

/** A PEM file and the setting that names it. Error messages show the setting. */
export interface NamedFile {
  readonly name: string;
  readonly path: string | undefined;
}

/** Without a `ca` path, the system's authorities are trusted. Without `cert` and `key`, no client certificate is sent. */
export interface RedisTlsFiles {
  readonly ca: NamedFile;
  readonly cert: NamedFile;
  readonly key: NamedFile;
}

/** The trusted authorities, and the client certificate with its key. PEM texts. */
export interface RedisTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Reads the files. Called for each new connection, so that a renewed file is used without a restart. Throws `RedisUnavailable`. */
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
