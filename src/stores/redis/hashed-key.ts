import { hash } from "node:crypto";

/** 132 bits of SHA-256: nobody finds two ids that share a key, which a hash without a secret must see to by its length. */
const HASH_CHARS = 22;

/** A key of bounded length, whatever the ids are, from which they cannot be read. Where the first id ends is part of it. */
export function hashedKey(prefix: string, first: string, second: string): string {
  return `${prefix}:${hash("sha256", `${first.length}:${first}${second}`, "base64url").slice(0, HASH_CHARS)}`;
}
