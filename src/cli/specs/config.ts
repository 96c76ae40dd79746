import type { ClientCommandSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";

export const CONFIG_ACTIONS = ["check", "print", "schema"] as const;

export const CONFIG: ClientCommandSpec = {
  name: "config",
  summary: "check, print or describe the configuration",
  positionals: [
    { name: "check|print|schema", isRequired: true, completion: CONFIG_ACTIONS },
    { name: "FILE", isRequired: false, completion: "file" },
  ],
  about: `sallyport config check reads the configuration as serve does, also its key files and TLS files. It prints each problem on one line,
and starts nothing.

With --probe, it also asks what the gateway depends on, for a few seconds and in parallel: the backend (GET of a session and of a path
that do not exist), the push service (one stream, closed after its first message), Redis (INFO and TIME), the TLS
certificates, the clock, the ports, and the limits of this system. No call changes anything at the backend or in Redis.

sallyport config print prints each setting with its value and where the value comes from. The output is a TOML file without the secrets.

sallyport config schema prints the JSON Schema of the configuration file, for editors.

FILE is the configuration file; --config FILE names it as well.

Exit codes: 0 without errors, also with warnings; 1 if a probe failed; 2 if the command line or the configuration is wrong.`,
  options: [
    { name: "probe", about: "check: also ask the backend, the push service, Redis and this system" },
    { name: "json", about: "print: one JSON object with the settings by name" },
    ...SETTINGS,
  ],
  examples: [
    "sallyport config check --config gateway.toml --probe",
    "sallyport config print --config gateway.toml",
    "sallyport config schema > gateway.schema.json",
  ],
};
