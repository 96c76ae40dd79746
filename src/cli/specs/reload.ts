import type { ClientCommandSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";

export const RELOAD: ClientCommandSpec = {
  name: "reload",
  summary: "let a running gateway read its configuration again",
  positionals: [],
  about: `Asks the admin listener of a running gateway to read its own configuration again, with the flags and variables of its start. SIGHUP
does the same. The gateway applies all changes that need no restart, or none if a part of the configuration cannot be used.
Prints what changed. Without --url, it asks at admin.listen of the configuration.

Exit codes: 0 if the configuration is applied; 1 if it is refused or no gateway answers, and why is printed; 2 if the command line
or the configuration is wrong.`,
  options: [
    { name: "url", value: "URL", about: "the admin listener, such as http://127.0.0.1:8082" },
    {
      name: "timeout",
      value: "DURATION",
      about: "give up waiting after this time, such as 10s; the reload goes on; default: 1m",
    },
    ...SETTINGS,
  ],
  examples: ["sallyport reload --config gateway.toml", "sallyport reload --url http://127.0.0.1:8082"],
};
