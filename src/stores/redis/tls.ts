import { readFileSync } from "node:fs";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { RedisUnavailable } from "./unavailable.ts";

/** A PEM file, by the name under which the operator knows it. */
export interface NamedFile {
  readonly name: string;
  readonly path: string | undefined;
}

/** Without a `ca` path, the system's authorities are used; without `cert` and `key`, no client certificate is sent. */
export interface RedisTlsFiles {
  readonly ca: NamedFile;
  readonly cert: NamedFile;
  readonly key: NamedFile;
}

/** Whom the gateway trusts to be its Redis, and how it shows who it is itself. PEM. */
export interface RedisTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Reads the files, again for each connection: a renewed file applies to the next. Throws `RedisUnavailable`. */
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

/** Whether a URL asks for TLS. */
export function wantsTls(url: string): boolean {
  return url.startsWith("rediss:");
}
