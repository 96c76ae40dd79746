import { EMAIL_LOGIN } from "../core/public-routes.ts";
import { publicRoutes } from "./public-routes.ts";
import { setting } from "./setting.ts";

/** The settings of the calls that need no session. */
export const PUBLIC_SETTINGS = {
  public_routes: setting(
    publicRoutes,
    EMAIL_LOGIN,
    "Public routes: the HTTP calls that need no session, and one backend call for each. The default rows are the two calls of login by e-mail code. Your table replaces the default rows, so list the two login calls again if you need them. A row has `method` and `path`, and optionally `name`, `backend_path`, `class`, `budget`, `identity`, `fields`, `schema`, `registers_key`, `body_bytes_max`, `response_bytes_max`, `timeout_ms`, `pass_headers` and `pass_statuses`. `proto/public-routes.md` describes each field and has examples. In TOML, write `[[public_routes]]`. In an environment variable, write JSON.",
  ),
} as const;
