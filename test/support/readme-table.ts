/** `bun test/support/readme-table.ts`: writes the configuration table of the README anew. */
import { join } from "node:path";
import { settingsTable } from "../../src/config/settings-table.ts";

export const README = join(import.meta.dir, "../../README.md");

const BEGIN = "<!-- configuration: begin, written by test/support/readme-table.ts -->\n";
const END = "<!-- configuration: end -->\n";

/** The README with the table as the schema has it. Throws where the markers are not there. */
export function withTable(readme: string): string {
  const [before, rest, ...more] = readme.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined || more.length > 0) throw new Error("README.md: the markers are not there");
  return `${before}${BEGIN}\n${settingsTable()}\n${END}${after}`;
}

if (import.meta.main) await Bun.write(README, withTable(await Bun.file(README).text()));
