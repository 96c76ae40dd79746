import type { CommandSpec } from "../arguments/spec.ts";
import { CALL } from "./call.ts";
import { COMPLETION } from "./completion.ts";
import { GATEWAY_COMMANDS } from "./gateway-commands.ts";
import { LISTEN } from "./listen.ts";
import { LOGIN } from "./login.ts";
import { LOGOUT } from "./logout.ts";
import { WHOAMI } from "./whoami.ts";

/** Every command, in the order of the help. */
export const ALL_COMMANDS: readonly CommandSpec[] = [...GATEWAY_COMMANDS, LOGIN, CALL, LISTEN, WHOAMI, LOGOUT, COMPLETION];
