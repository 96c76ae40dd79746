import { readFileSync } from "node:fs";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { RedisUnavailable } from "./unavailable.ts";

/** Where the parts of what TLS needs lie, PEM each; `undefined` for what the system's authorities and no certificate do. */
export interface RedisTlsPaths {
  readonly "stores.redis.ca_file": string | undefined;
  readonly "stores.redis.certificate_file": string | undefined;
  readonly "stores.redis.key_file": string | undefined;
}

/** Whom the gateway trusts to be its Redis, and how it shows who it is itself. PEM. */
export interface RedisTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Reads the files: for each connection anew, so that renewed ones are taken up with the next. Throws `RedisUnavailable`. */
export function readRedisTls(paths: RedisTlsPaths): RedisTls {
  const read = (key: keyof RedisTlsPaths) => readPem(key, paths[key]);
  return {
    ca: read("stores.redis.ca_file"),
    cert: read("stores.redis.certificate_file"),
    key: read("stores.redis.key_file"),
  };
}

function readPem(key: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new RedisUnavailable(`${key} (${pathShown(path)}) cannot be read: ${whyUnreadable(cause)}`);
  }
}

/** Whether a URL asks for TLS. */
export function wantsTls(url: string): boolean {
  return url.startsWith("rediss:");
}
