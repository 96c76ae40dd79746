import { isForeignFile as isForeignCheckpoint } from "../backend/feed/checkpoint-file.ts";
import { isForeignFile as isForeignEventFile } from "../backend/publish/event-file-reader.ts";
import { unusedSetting } from "../config/rules-push.ts";
import type { Config, ConfigKey } from "../config/schema.ts";
import { isForeignSharedFile } from "../stores/shared/shared-file.ts";

interface ForeignFile {
  readonly setting: ConfigKey;
  readonly file: string;
}

interface WrittenFile {
  readonly setting: "stores.shared_file" | "history.checkpoint_file" | "push.log_file";
  /** The suffixes of the files that the gateway writes beside each other. */
  readonly suffixes: readonly string[];
  readonly isForeign: (path: string) => boolean;
}

const WRITTEN_FILES: readonly WrittenFile[] = [
  { setting: "stores.shared_file", suffixes: [""], isForeign: isForeignSharedFile },
  { setting: "history.checkpoint_file", suffixes: ["", ".next"], isForeign: isForeignCheckpoint },
  { setting: "push.log_file", suffixes: ["", ".1", ".next", ".lock"], isForeign: isForeignEventFile },
];

/** Returns the files of other programs at the paths that the gateway writes. At the start, the gateway sets them aside. */
export function foreignFiles(config: Config): readonly ForeignFile[] {
  return WRITTEN_FILES.flatMap(({ setting, suffixes, isForeign }) => {
    const path = unusedSetting(config)?.key === setting ? undefined : config[setting];
    const files = path === undefined ? [] : suffixes.map((suffix) => path + suffix);
    return files.filter(isForeign).map((file) => ({ setting, file }));
  });
}
