import { PLAIN_SEGMENT } from "../core/path-grammar.ts";
import { EMAIL_LOGIN } from "../core/public-routes.ts";
import { list } from "./decoder.ts";
import { IDENTITY_HEADER_SETTINGS } from "./identity-headers.ts";
import { publicRoutes } from "./public-routes.ts";
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

/** The settings of the calls that need no session. */
export const PUBLIC_SETTINGS = {
  public_routes: setting(
    publicRoutes,
    EMAIL_LOGIN,
    "Table of the public routes. Each row maps one HTTP call that needs no session to a backend call. The two default rows are the calls of the login by e-mail code. Your table replaces the default rows, so add the two rows again if you need them. A row has `method` and `path`, and optionally `name`, `backend_path`, `class`, `budget`, `identity`, `fields`, `schema`, `registers_key`, `body_bytes_max`, `response_bytes_max`, `timeout_ms`, `pass_headers` and `pass_statuses`. `proto/public-routes.md` describes each field and has examples. In TOML, write `[[public_routes]]`. In an environment variable, write JSON.",
  ),
} as const;
