import type { ClientCommandSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";

export const ROUTES: ClientCommandSpec = {
  name: "routes",
  summary: "print the route table as the gateway sees it",
  positionals: [{ name: "FILE", isRequired: false, completion: "file" }],
  about: `sallyport routes prints the routes and the public routes of a configuration: message type, method, path, path at the backend, where the
fields of the payload go, timeout, limits, budget and further fields. FILE is the configuration file; --config FILE names it as well.

Exit codes: 0; 2 if the command line or the configuration is wrong. The problems are those of sallyport config check.`,
  options: [{ name: "json", about: "one JSON object with the same values" }, ...SETTINGS],
  examples: ["sallyport routes gateway.toml", "sallyport routes gateway.toml --json | jq '.routes[].message_type'"],
};
