import type { CommandSpec } from "../arguments/spec.ts";
import { CALL } from "./call.ts";
import { COMPLETION } from "./completion.ts";
import { GATEWAY_COMMANDS } from "./gateway-commands.ts";
import { LISTEN } from "./listen.ts";
import { LOGIN } from "./login.ts";
import { LOGOUT } from "./logout.ts";
import { WHOAMI } from "./whoami.ts";

/** The commands of the command line client. */
export const CLIENT_COMMANDS: readonly CommandSpec[] = [LOGIN, CALL, LISTEN, WHOAMI, LOGOUT, COMPLETION];

/** Every command, in the order of the help. */
export const ALL_COMMANDS: readonly CommandSpec[] = [...GATEWAY_COMMANDS, ...CLIENT_COMMANDS];
