import type { CommandSpec, OptionSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";
import { CONFIG } from "./config.ts";
import { HEALTH } from "./health.ts";
import { RELOAD } from "./reload.ts";
import { ROUTES } from "./routes.ts";
import { UPGRADE } from "./upgrade.ts";

/**
 * This file lists commands and options for the general help and for shell completion. `config/source-flags.ts` and `keygen.ts`
 * parse the options.
 */

const OUT: OptionSpec = { name: "out", value: "FILE", about: "the file for the new key", completion: "file" };

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
