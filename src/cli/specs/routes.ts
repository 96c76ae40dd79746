import type { ClientCommandSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";

export const ROUTES: ClientCommandSpec = {
  name: "routes",
  summary: "print the route table, or import one from OpenAPI",
  positionals: [
    { name: "FILE|import", isRequired: false, completion: "file" },
    { name: "FILE", isRequired: false, completion: "file" },
  ],
  about: `sallyport routes FILE prints the routes and the public routes of a configuration: message type, method, path, path at the backend,
where the fields of the payload go, timeout, limits, budget and further fields. FILE is the configuration file; --config FILE names it
as well.

sallyport routes import FILE reads an OpenAPI document (3.0 to 3.2, JSON or YAML; - is standard input) and writes a route for each of its
operations as TOML. The message types are defaults; rename them before clients use them. Operations that no route can have are listed at
the end of the output and on standard error, each with the reason.

With --schemas DIR, each operation with a JSON body also gets a JSON Schema of its payload: a new file in DIR, which is below the folder
of the configuration file. The gateway refuses payloads that violate it. Parts of a schema that no gateway can check are left out, each
with a line on standard error.

Exit codes: 0; 1 if an operation was left out, or the output could not be written; 2 if the command line, the configuration or the
document is wrong. The problems of a configuration are those of sallyport config check.`,
  options: [
    { name: "json", about: "print: one JSON object with the same values" },
    ...SETTINGS,
    { name: "out", value: "FILE", about: "import: write to a new file instead of standard output", completion: "file" },
    {
      name: "schemas",
      value: "DIR",
      about: "import: also write the schema of each payload, to this folder",
      completion: "file",
    },
    { name: "tag", value: "TAG", about: "import: only operations with this tag", isRepeatable: true },
    { name: "path", value: "PATH", about: "import: only paths that start with this text", isRepeatable: true },
    { name: "base-path", value: "PATH", about: "import: the path before each path, instead of that of the document's server" },
  ],
  examples: [
    "sallyport routes gateway.toml",
    "sallyport routes gateway.toml --json | jq '.routes[].message_type'",
    "sallyport routes import openapi.yaml --out routes.toml",
    "sallyport routes import openapi.yaml --out routes.toml --schemas schemas",
  ],
};
