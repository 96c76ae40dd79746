import type { ClientCommandSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";

export const HEALTH: ClientCommandSpec = {
  name: "health",
  summary: "check that a gateway is alive, or ready",
  positionals: [],
  about: `Asks the admin listener of a running gateway whether the process is alive (/healthz), or with --ready whether it takes traffic
(/readyz). For container images, which have no curl. Without --url, it asks at admin.listen of the configuration.

Exit codes: 0 if it is; 1 if it is not or does not answer; 2 if the command line or the configuration is wrong.`,
  options: [
    { name: "ready", about: "check /readyz: false while the gateway drains, or cannot serve requests" },
    { name: "url", value: "URL", about: "the admin listener, such as http://127.0.0.1:8082" },
    { name: "timeout", value: "DURATION", about: "give up after this time, such as 500ms or 5s; default: 3s" },
    ...SETTINGS,
  ],
  examples: ["sallyport health", "sallyport health --ready --url http://127.0.0.1:8082 --timeout 1s"],
};
