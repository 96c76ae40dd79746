/** `bun run docs`: writes the generated tables of the documentation. */
import { join } from "node:path";
import { settingsTable } from "../../src/config/settings-table.ts";
import { METRICS, type MetricDeclaration } from "../../src/core/metric-table.ts";
import { apiReference } from "./client-package/api-reference.ts";
import { IMPORT_RULES } from "./import-rules.ts";

const root = join(import.meta.dir, "../..");

/** Each generated table: the page, the name of its markers, and what stands between them. */
const TABLES = [
  { path: "src/config/README.md", name: "settings", render: settingsTable },
  { path: "src/observe/README.md", name: "metrics", render: metricsTable },
  { path: "src/client/README.md", name: "api", render: apiReference },
  { path: "src/README.md", name: "rooms", render: roomsTable },
] as const;

/** Every page with generated content, as it should be. Throws if a page lacks its markers. */
export async function generatedPages(): Promise<{ readonly path: string; readonly text: string }[]> {
  return Promise.all(
    TABLES.map(async ({ path, name, render }) => {
      const page = await Bun.file(join(root, path)).text();
      const [begin, end] = [`<!-- ${name}: begin -->\n`, `<!-- ${name}: end -->\n`];
      const [before, rest, ...more] = page.split(begin);
      const [, after] = rest?.split(end) ?? [];
      if (before === undefined || after === undefined || more.length > 0) throw new Error(`${path} has no markers "${name}"`);
      return { path, text: `${before}${begin}\n${render()}\n${end}${after}` };
    }),
  );
}

function metricsTable(): string {
  const rows = Object.entries<MetricDeclaration>(METRICS).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`,
  );
  return ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function roomsTable(): string {
  const rows = Object.entries(IMPORT_RULES).map(([room, { is, mayImport }]) => {
    const name = room === "main" ? "main.ts" : room;
    return `| \`${name}\` | ${is} | ${mayImport.length === 0 ? "nothing" : mayImport.map((each) => `\`${each}\``).join(", ")} |`;
  });
  return ["| room | what it is | may import |", "|---|---|---|", ...rows, ""].join("\n");
}

if (import.meta.main) {
  for (const { path, text } of await generatedPages()) await Bun.write(join(root, path), text);
}
