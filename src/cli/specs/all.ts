import type { CommandSpec, OptionSpec } from "../arguments/spec.ts";
import { CALL } from "./call.ts";
import { SETTINGS } from "./common.ts";
import { COMPLETION } from "./completion.ts";
import { CONFIG } from "./config.ts";
import { HEALTH } from "./health.ts";
import { LISTEN } from "./listen.ts";
import { LOGIN } from "./login.ts";
import { LOGOUT } from "./logout.ts";
import { RELOAD } from "./reload.ts";
import { ROUTES } from "./routes.ts";
import { UPGRADE } from "./upgrade.ts";
import { WHOAMI } from "./whoami.ts";

const OUT: OptionSpec = { name: "out", value: "FILE", about: "the file for the new key", completion: "file" };

/**
 * The commands of the gateway. The entries without a file of their own are for help and shell completion only: their commands
 * parse the options by other code.
 */
export const GATEWAY_COMMANDS: readonly CommandSpec[] = [
  { name: "serve", summary: "start the gateway in front of your backend", positionals: [], options: SETTINGS },
  {
    name: "dev",
    summary: "start the gateway with an embedded backend, for development",
    positionals: [],
    options: SETTINGS,
  },
  { name: "demo", summary: "run a demonstration with two clients, in a few seconds", positionals: [], options: SETTINGS },
  { name: "keygen", summary: "generate a signing key", positionals: [], options: [OUT] },
  HEALTH,
  RELOAD,
  UPGRADE,
  CONFIG,
  ROUTES,
  { name: "version", summary: "print the versions of Sallyport and Bun", positionals: [], options: [] },
];

/** The commands of the command line client. */
export const CLIENT_COMMANDS: readonly CommandSpec[] = [LOGIN, CALL, LISTEN, WHOAMI, LOGOUT, COMPLETION];

/** Every command, in the order of the help. */
export const ALL_COMMANDS: readonly CommandSpec[] = [...GATEWAY_COMMANDS, ...CLIENT_COMMANDS];
