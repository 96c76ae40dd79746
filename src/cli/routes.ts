import { helpOf } from "./arguments/help.ts";
import { parseArguments } from "./arguments/parse.ts";
import { settingsWithFile } from "./arguments/settings.ts";
import { UsageError } from "./arguments/usage-error.ts";
import { clientEnvironment } from "./environment.ts";
import { EXIT } from "./exit-code.ts";
import { Output, OutputClosedError } from "./output/output.ts";
import { printRoutes } from "./routes-print.ts";
import { ROUTES } from "./specs/routes.ts";

export const HELP = helpOf(ROUTES);

/** `sallyport routes`: prints the route table. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseArguments(ROUTES, args);
    return await printRoutes(
      settingsWithFile(parsed, parsed.positionals[0]),
      new Output(clientEnvironment()),
      parsed.has("json"),
    );
  } catch (error) {
    if (error instanceof OutputClosedError) return EXIT.outputClosed;
    if (!(error instanceof UsageError)) throw error;
    console.error(`sallyport: ${error.message}; see sallyport routes --help`);
    return EXIT.usage;
  }
}
