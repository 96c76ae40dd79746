import { isForeignFile as isForeignCheckpoint } from "../backend/feed/checkpoint-file.ts";
import { isForeignFile as isForeignEventFile } from "../backend/publish/event-file-reader.ts";
import { filesOf, type WrittenKey } from "../config/rules-files.ts";
import type { Config } from "../config/schema.ts";
import { isForeignSharedFile } from "../stores/shared/shared-file.ts";

interface ForeignFile {
  readonly setting: WrittenKey;
  readonly file: string;
}

const CHECKS: readonly (readonly [setting: WrittenKey, isForeign: (path: string) => boolean])[] = [
  ["stores.shared_file", isForeignSharedFile],
  ["history.checkpoint_file", isForeignCheckpoint],
  ["push.log_file", isForeignEventFile],
];

/** Returns the files of other programs at the paths that the gateway writes. At the start, the gateway sets them aside. */
export function foreignFiles(config: Config): readonly ForeignFile[] {
  return CHECKS.flatMap(([setting, isForeign]) =>
    filesOf(setting, config)
      .filter(isForeign)
      .map((file) => ({ setting, file })),
  );
}
