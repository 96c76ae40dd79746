import { EMAIL_LOGIN } from "../core/public-routes.ts";
import { publicRoutes } from "./public-routes.ts";
import { setting } from "./setting.ts";

/** The settings of the calls that need no session. */
export const PUBLIC_SETTINGS = {
  public_routes: setting(
    publicRoutes,
    EMAIL_LOGIN,
    "Table of the public routes. Each row maps one HTTP call that needs no session to a backend call. The two default rows are the calls of the login by e-mail code. Your table replaces the default rows, so add the two rows again if you need them. A row has `method` and `path`, and optionally `name`, `backend_path`, `class`, `budget`, `identity`, `fields`, `schema`, `registers_key`, `body_bytes_max`, `response_bytes_max`, `timeout_ms`, `pass_headers` and `pass_statuses`. `proto/public-routes.md` describes each field and has examples. In TOML, write `[[public_routes]]`. In an environment variable, write JSON.",
  ),
} as const;
