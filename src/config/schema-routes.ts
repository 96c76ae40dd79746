import { list } from "./decoder.ts";
import { IDENTITY_HEADER_SETTINGS } from "./identity-headers.ts";
import { routes } from "./routes.ts";
import { setting, unset } from "./setting.ts";
import { text } from "./values.ts";

/** Matches a path of plain segments, such as `/v2/`, or `/` alone. */
const PREFIX = /^\/(?:(?!\.{1,2}\/)[A-Za-z0-9._~-]+\/)*$/;

const prefix = text('a path such as "/v2/", of plain segments, with a slash at both ends', PREFIX);

/** The settings of the route table, as a part of the schema. */
export const ROUTE_SETTINGS = {
  "backend.route_prefixes": setting(
    list(prefix, { plural: "path prefixes", itemsMin: 1, itemsMax: 64 }),
    ["/api/v1/user/"],
    "Prefixes of the backend's paths that routes may call, each with a slash at both ends. The path of each route must start with one of them. Keep internal paths of the backend out of the list, so that no route can call them by mistake.",
  ),
  "backend.schema_base_uri": unset(
    text("an absolute URI that ends in a slash", /^https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?\/(?:[A-Za-z0-9._~-]+\/)*$/),
    "URI of the folder with the schemas of routes, which is the folder of the configuration file. Set it if your schemas refer to each other by absolute URIs (`$id`). A URI below it is then a file of the folder. The gateway never loads a schema from a network.",
  ),
  ...IDENTITY_HEADER_SETTINGS,

  routes: setting(
    routes,
    [],
    "Route table: the message types of commands, and one backend call for each message type. In TOML, write `[[routes]]`. In an environment variable, write JSON. [Routes](#routes) describes the fields.",
  ),
};
