import { configSchema } from "../config/config-schema.ts";
import { helpOf } from "./arguments/help.ts";
import { type Arguments, parseArguments, settingsWithFile, UsageError } from "./arguments/parse.ts";
import { checkConfig } from "./config-check.ts";
import { printConfig } from "./config-print.ts";
import { clientEnvironment } from "./environment.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { Output, OutputClosedError } from "./output/output.ts";
import { CONFIG, CONFIG_ACTIONS } from "./specs/config.ts";

export const HELP = helpOf(CONFIG);

type Action = (typeof CONFIG_ACTIONS)[number];

/** For each option, the only action that accepts it. */
const ACTION_OF_OPTION: Readonly<Record<string, Action>> = { probe: "check", json: "print" };

/** `sallyport config`: checks, prints or describes the configuration. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseArguments(CONFIG, args);
    return await runAction(actionOf(parsed), parsed);
  } catch (error) {
    if (error instanceof OutputClosedError) return EXIT.outputClosed;
    if (!(error instanceof UsageError)) throw error;
    console.error(`sallyport: ${error.message}; see sallyport config --help`);
    return EXIT.usage;
  }
}

function actionOf(parsed: Arguments): Action {
  const action = CONFIG_ACTIONS.find((each) => each === parsed.positionals[0]);
  if (action === undefined) throw new UsageError("the action must be check, print or schema");
  for (const [option, only] of Object.entries(ACTION_OF_OPTION)) {
    if (parsed.has(option) && action !== only) throw new UsageError(`--${option} is an option of sallyport config ${only}`);
  }
  if (action === "schema" && settingsWithFile(parsed, parsed.positionals[1]).length > 0)
    throw new UsageError("sallyport config schema takes no settings");
  return action;
}

async function runAction(action: Action, parsed: Arguments): Promise<ExitCode> {
  const output = new Output(clientEnvironment());
  const argv = settingsWithFile(parsed, parsed.positionals[1]);
  if (action === "check") return checkConfig({ argv, isProbing: parsed.has("probe") }, output);
  if (action === "print") return printConfig(argv, output, parsed.has("json"));
  await output.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
  return EXIT.done;
}
