import { helpOf } from "./arguments/help.ts";
import { type Arguments, parseArguments, settingsWithFile, UsageError } from "./arguments/parse.ts";
import { clientEnvironment } from "./environment.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { Output, OutputClosedError } from "./output/output.ts";
import { importFile } from "./routes-import.ts";
import { printRoutes } from "./routes-print.ts";
import { ROUTES } from "./specs/routes.ts";

export const HELP = helpOf(ROUTES);

const OF_PRINT = ["json", "config", "set"];
const OF_IMPORT = ["out", "schemas", "tag", "path", "base-path"];

/** `sallyport routes`: prints the route table, or imports routes from an OpenAPI document. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    return await runAction(parseArguments(ROUTES, args), new Output(clientEnvironment()));
  } catch (error) {
    if (error instanceof OutputClosedError) return EXIT.outputClosed;
    if (!(error instanceof UsageError)) throw error;
    console.error(`sallyport: ${error.message}; see sallyport routes --help`);
    return EXIT.usage;
  }
}

async function runAction(parsed: Arguments, output: Output): Promise<ExitCode> {
  const [first, file] = parsed.positionals;
  const isImport = first === "import";
  for (const option of isImport ? OF_PRINT : OF_IMPORT) {
    const place = isImport ? "sallyport routes FILE" : "sallyport routes import";
    if (parsed.has(option)) throw new UsageError(`--${option} is an option of ${place}`);
  }
  if (!isImport) {
    if (file !== undefined) throw new UsageError("only one FILE may stand beside the options");
    return printRoutes(settingsWithFile(parsed, first), output, parsed.has("json"));
  }
  if (file === undefined) throw new UsageError("FILE, the OpenAPI document, is missing");
  const [tags, pathPrefixes] = [parsed.values("tag"), parsed.values("path")];
  const [out, schemas, basePath] = [parsed.value("out"), parsed.value("schemas"), parsed.value("base-path")];
  return importFile({ file, out, schemas, tags, pathPrefixes, basePath }, output);
}
