import { resolve } from "node:path";
import type { Rule } from "./rule.ts";
import { unusedSetting } from "./rules-push.ts";
import type { Config, ConfigKey } from "./schema.ts";

/** Settings that name a file that the gateway writes, with the suffixes of all files that it writes beside it. */
const WRITTEN = {
  "stores.shared_file": [""],
  "history.checkpoint_file": ["", ".next"],
  "push.log_file": ["", ".1", ".lock", ".next"],
  "dev.database": ["", "-wal", "-shm"],
} as const satisfies Partial<Record<ConfigKey, readonly string[]>>;

/** Settings that name a file that the gateway only reads. */
const READ = [
  "keys.current_file",
  "keys.next_file",
  "keys.previous_file",
  "tls.certificate_file",
  "tls.key_file",
  "tls.client_ca_file",
  "push.token_file",
  "backend.token_file",
  "backend.ca_file",
  "backend.certificate_file",
  "backend.key_file",
  "stores.redis.ca_file",
  "stores.redis.certificate_file",
  "stores.redis.key_file",
] as const satisfies readonly ConfigKey[];

export type WrittenKey = keyof typeof WRITTEN;
type FileKey = WrittenKey | (typeof READ)[number];

const WRITTEN_KEYS: readonly WrittenKey[] = ["stores.shared_file", "history.checkpoint_file", "push.log_file", "dev.database"];

/** A file that the gateway writes must not be a file of another setting. Otherwise, the gateway could overwrite a signing key. */
export const FILE_RULES: readonly Rule[] = WRITTEN_KEYS.flatMap((written, at) =>
  [...READ, ...WRITTEN_KEYS.slice(at + 1)].map((other) => differentFiles(written, other)),
);

function differentFiles(written: WrittenKey, other: FileKey): Rule {
  return {
    keys: [written, other],
    violation(config) {
      const others = filesOf(other, config);
      if (!filesOf(written, config).some((file) => others.includes(file))) return undefined;
      return `${written} and ${other} name the same file, expected different files: the gateway writes ${written}`;
    },
  };
}

/** Returns the absolute paths of all files that belong to a setting. Empty if the setting is not used. */
export function filesOf(key: FileKey, config: Config): readonly string[] {
  const path = config[key];
  if (path === undefined || path === ":memory:" || unusedSetting(config)?.key === key) return [];
  const suffixes = isWritten(key) ? WRITTEN[key] : [""];
  return suffixes.map((suffix) => resolve(path + suffix));
}

function isWritten(key: FileKey): key is WrittenKey {
  return key in WRITTEN;
}
