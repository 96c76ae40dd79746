import { readFileSync } from "node:fs";
import { messageOf } from "../core/cause.ts";
import { absolutePathShown, pathShown, whyUnreadable } from "../core/file-problem.ts";
import { ConfigError } from "./problem.ts";
import type { Config } from "./schema.ts";

/** The Ed25519 seeds of the gateway's signing keys, 32 bytes each. */
export interface Seeds {
  readonly current?: Uint8Array | undefined;
  readonly next?: Uint8Array | undefined;
  readonly previous?: Uint8Array | undefined;
}

const SEED_BYTES = 32;
const EXPECTED = `expected base64 of the seed's ${SEED_BYTES} bytes; \`sallyport keygen\` makes one`;
const OTHER_SEED = "expected a different seed; `sallyport keygen` makes one";
const ROLES = ["current", "next", "previous"] as const;
type Role = (typeof ROLES)[number];

/**
 * Reads the seeds of the current, next and previous key from the settings `keys.*` or their files. Throws one `ConfigError`
 * with all problems.
 */
export function loadSeeds(config: Config, readFile: (path: string) => string = (path) => readFileSync(path, "utf8")): Seeds {
  const problems: string[] = [];
  const seeds: { [R in Role]?: Uint8Array } = {};
  for (const role of ROLES) {
    try {
      const seed = loadSeed(config, role, readFile);
      if (seed !== undefined) seeds[role] = seed;
    } catch (cause) {
      problems.push(messageOf(cause));
    }
  }
  problems.push(...duplicates(seeds, config));
  if (problems.length > 0) throw new ConfigError(problems);
  return seeds;
}

function loadSeed(config: Config, role: Role, readFile: (path: string) => string): Uint8Array | undefined {
  const path = config[`keys.${role}_file`];
  if (path === undefined) {
    const text = config[`keys.${role}`];
    return text === undefined ? undefined : decodeSeed(text, `keys.${role}`);
  }
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    throw new Error(
      `keys.${role}_file (${absolutePathShown(path)}): cannot be read: ${whyUnreadable(cause)}; \`sallyport keygen --out FILE\` makes a key file`,
    );
  }
  return decodeSeed(text.trim(), originOf(config, role));
}

/** Returns the setting that contains the seed, and the file if there is one, such as `keys.next_file (next.key)`. */
function originOf(config: Config, role: Role): string {
  const path = config[`keys.${role}_file`];
  return path === undefined ? `keys.${role}` : `keys.${role}_file (${pathShown(path)})`;
}

/** Decodes standard or URL-safe base64, with or without padding. Throws if the seed does not have 32 bytes. */
function decodeSeed(text: string, origin: string): Uint8Array {
  if (text.startsWith("-----BEGIN")) throw new Error(`${origin}: holds a PEM file, ${EXPECTED}`);
  if (/^[0-9a-f]{64}$/i.test(text)) throw new Error(`${origin}: holds hexadecimal, ${EXPECTED}`);
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new Error(`${origin}: holds no base64, ${EXPECTED}`);
  const seed = Buffer.from(text, "base64");
  if (seed.byteLength === SEED_BYTES) return seed;
  throw new Error(`${origin}: holds ${seed.byteLength} bytes, ${EXPECTED}`);
}

/**
 * Returns a problem for each seed that has two roles, such as current and next. With such a seed, the gateway would publish
 * the same public key twice.
 */
function duplicates(seeds: Seeds, config: Config): string[] {
  return ROLES.flatMap((role, index) =>
    ROLES.slice(0, index)
      .filter((earlier) => sameSeed(seeds[earlier], seeds[role]))
      .map((earlier) => `${originOf(config, role)}: is the same seed as ${originOf(config, earlier)}, ${OTHER_SEED}`),
  );
}

function sameSeed(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.from(a).equals(b);
}
