import { helpOf } from "./arguments/help.ts";
import { parseArguments, UsageError } from "./arguments/parse.ts";
import { candidatesFor } from "./completion/candidates.ts";
import { SCRIPTS } from "./completion/scripts.ts";
import { EXIT } from "./exit-code.ts";
import { printable } from "./output/printable.ts";
import { COMPLETION, SHELLS } from "./specs/completion.ts";

export const HELP = helpOf(COMPLETION);

/**
 * `sallyport completion`: prints the completion script of a shell. To complete a word, the script runs
 * `sallyport completion candidates`.
 */
export async function run(args: readonly string[]): Promise<number> {
  if (args[0] === "candidates" && args[1] === "--") return printCandidates(args.slice(2));
  try {
    const [name] = parseArguments(COMPLETION, args).positionals;
    const shell = SHELLS.find((each) => each === name);
    if (shell === undefined) throw new UsageError("the shell must be bash, zsh or fish");
    process.stdout.write(SCRIPTS[shell]);
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`sallyport: ${error.message}; see sallyport completion --help`);
    return EXIT.usage;
  }
}

/** Prints one candidate a line. A failure prints nothing, because its text would disturb the line that is being typed. */
async function printCandidates(words: readonly string[]): Promise<number> {
  try {
    const { words: candidates, isFile } = await candidatesFor(words);
    const lines = candidates.map(({ word, about }) => (about === "" ? word : `${word}\t${printable(about)}`));
    process.stdout.write([...lines, ...(isFile ? [":file"] : [])].map((line) => `${line}\n`).join(""));
    return EXIT.done;
  } catch {
    return EXIT.failed;
  }
}
