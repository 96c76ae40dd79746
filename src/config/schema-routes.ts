import { PLAIN_SEGMENT } from "../core/path-grammar.ts";
import { list } from "./decoder.ts";
import { IDENTITY_HEADER_SETTINGS } from "./identity-headers.ts";
import { routes } from "./routes.ts";
import { setting, unset } from "./setting.ts";
import { text } from "./values.ts";

/** Matches a path of plain segments, such as `/v2/`, or `/` alone. */
const PREFIX = new RegExp(`^/(?:${PLAIN_SEGMENT}/)*$`);

const prefix = text('a path such as "/v2/", of plain segments, with a slash at both ends', PREFIX);

/** The settings of the route table, as a part of the schema. */
export const ROUTE_SETTINGS = {
  "backend.route_prefixes": setting(
    list(prefix, { plural: "path prefixes", itemsMin: 1, itemsMax: 64 }),
    ["/api/v1/user/"],
    "Prefixes of the backend paths that routes may call. Each prefix starts and ends with a slash. The path of each route must start with one of the prefixes. Do not list prefixes of internal paths, so that no route can call an internal path by mistake.",
  ),
  "backend.schema_base_uri": unset(
    text("an absolute URI that ends in a slash", /^https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?\/(?:[A-Za-z0-9._~-]+\/)*$/),
    "Base URI of the JSON Schemas of `routes` and `public_routes`. Set a base URI if your schemas refer to each other by absolute URIs (`$id`). A URI that starts with the base URI refers to a file in the folder of the configuration file. The rest of the URI is the path of the file. The gateway never loads a schema from a network.",
  ),
  ...IDENTITY_HEADER_SETTINGS,

  routes: setting(
    routes,
    [],
    "Route table. Each row maps one message type of commands to a backend call. In TOML, write `[[routes]]`. In an environment variable, write JSON. [Routes](#routes) describes the fields of a row.",
  ),
};
