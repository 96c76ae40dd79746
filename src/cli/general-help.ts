import { suggest } from "../config/suggest.ts";
import type { CommandSpec } from "./arguments/spec.ts";
import { ALL_COMMANDS, CLIENT_COMMANDS, GATEWAY_COMMANDS } from "./specs/all.ts";

/** The help that lists all commands. */
export const GENERAL_HELP = `usage: sallyport <command> [OPTION …]

${listOf(GATEWAY_COMMANDS)}

The client of a gateway:

${listOf(CLIENT_COMMANDS)}

Use sallyport <command> --help for details. The client's exit codes are in sallyport call --help.`;

function listOf(commands: readonly CommandSpec[]): string {
  return commands.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join("\n");
}

/**
 * Error messages quote an unknown command only if it matches this pattern. Other text may be a secret, such as the value of a
 * setting.
 */
const COMMAND_NAME = /^[A-Za-z_-]{1,20}$/;

/** The error message for a command that does not exist. It names the command that the user may have meant. */
export function unknownCommand(name: string): string {
  if (!COMMAND_NAME.test(name)) return "there is no command of this name";
  const names = ALL_COMMANDS.map((command) => command.name);
  return `there is no command ${name}${suggest(name, names)}`;
}
