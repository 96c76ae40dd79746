import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * The official JSON Schema test suite. The source archive of the Python package jsonschema has it; `.ci/run` unpacks it here.
 * Elsewhere, the variable names its folder, which has `tests` and `remotes`.
 */
const FOLDER = process.env["JSON_SCHEMA_TEST_SUITE"] ?? join(import.meta.dir, "../../.cache/jsonschema-4.26.0/json");

export const NO_SUITE = existsSync(join(FOLDER, "tests/draft2020-12")) ? undefined : "the JSON Schema test suite is not here";

/** The URI under which the suite's schemas refer to the files of `remotes`. */
export const REMOTES_URI = "http://localhost:1234/";

export interface SuiteGroup {
  readonly name: string;
  readonly schema: unknown;
  readonly tests: readonly { readonly description: string; readonly data: unknown; readonly valid: boolean }[];
}

/** The required tests of draft 2020-12. */
export function requiredGroups(): SuiteGroup[] {
  const folder = join(FOLDER, "tests/draft2020-12");
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.flatMap((file) => {
    const groups: (Omit<SuiteGroup, "name"> & { description: string })[] = JSON.parse(readFileSync(join(folder, file), "utf8"));
    return groups.map(({ description, schema, tests }) => ({ name: `${file}: ${description}`, schema, tests }));
  });
}

/** The files that schemas of the suite refer to, by path. Those of other drafts are left out. */
export function remotes(folder = "remotes"): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(join(FOLDER, folder))) {
    const path = `${folder}/${name}`;
    if (!statSync(join(FOLDER, path)).isDirectory())
      found.set(path.slice("remotes/".length), readFileSync(join(FOLDER, path), "utf8"));
    else if (!/^(draft[34679-]|draft2019|v1$)/.test(name)) for (const [inner, text] of remotes(path)) found.set(inner, text);
  }
  return found;
}
