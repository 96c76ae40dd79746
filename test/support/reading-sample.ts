/**
 * `bun test/support/reading-sample.ts [SEED]`: draws twenty comments, ten settings and ten log lines of the sources at random, for a reader
 * who has not seen the code. The seed is printed; the same seed draws the same sample of the same sources.
 */
import { join } from "node:path";
import { CONFIG_KEYS, SCHEMA } from "../../src/config/schema.ts";
import { seeded } from "./seeded.ts";

const root = join(import.meta.dir, "../..");
const COMMENT = /\/\*\*[\s\S]*?\*\/|(?:^[ \t]*\/\/[^\n]*\n)+/gm;
const LOG_CALL = /\blog\.(?:debug|info|warn|error)\(\s*(?:`[^`]*`|"[^"]*"|[^)"`]*?"[^"]*")[^;]*;/g;

const seed = Number(process.argv[2] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed ${seed}\n`);
const random = seeded(seed);

const sources = [...new Bun.Glob("src/**/*.ts").scanSync(root)].filter((path) => !path.startsWith("src/gen/")).toSorted();
const texts = await Promise.all(sources.map(async (path) => ({ path, text: await Bun.file(join(root, path)).text() })));
print("Comments", 20, find(COMMENT));
print(
  "Settings",
  10,
  CONFIG_KEYS.map((key) => `${key}\n${SCHEMA[key].doc}`),
);
print("Log lines", 10, find(LOG_CALL));

/** Every match, with its file and the line of code after it. */
function find(pattern: RegExp): string[] {
  return texts.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => {
      const after = text.slice(match.index + match[0].length).trimStart();
      return `${path}\n${match[0].trim()}\n${after.split("\n", 1)[0]}`;
    }),
  );
}

function print(title: string, count: number, all: readonly string[]): void {
  const left = [...all];
  for (let n = 1; n <= count && left.length > 0; n++) {
    const [drawn] = left.splice(Math.floor(random() * left.length), 1);
    console.log(`--- ${title} ${n} of ${count} (${all.length} in all)\n${drawn}\n`);
  }
}
