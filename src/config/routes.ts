import { MESSAGE_TYPE_MAX } from "../core/limits.ts";
import { type Kind, kind, list, optional, record } from "./kind.ts";
import { boolean, choice, int, positive } from "./values.ts";

/** One message type, and the backend call that serves it. Named as in the file. */
export type RouteConfig = {
  readonly message_type: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Under /api/v1/user/; a segment may be a `{placeholder}`, filled from the payload. */
  readonly path: string;
  /** Instead of backend.timeout_ms. */
  readonly timeout_ms?: number | undefined;
  /** What one user may spend on this message type. */
  readonly budget?: RouteBudget | undefined;
};

/** `rate` tokens a second, `burst` at most. In shadow mode it is counted and refuses nobody. */
export type RouteBudget = { readonly rate: number; readonly burst: number; readonly shadow?: boolean | undefined };

const ROUTES_MAX = 1000;
export const TIMEOUT_MS_MAX = 120_000;
export const RATE_MAX = 1_000_000;
export const BURST_MAX = 1_000_000;

const route = record<RouteConfig>(
  {
    message_type: kind('a message type such as "chat.message.send", not in "gateway."', (raw) =>
      isMessageType(raw) ? raw : undefined,
    ),
    method: choice("GET", "POST", "PUT", "PATCH", "DELETE"),
    path: kind("a path under /api/v1/user/, each segment plain or a {placeholder} of its own name", (raw) =>
      isRoutePath(raw) ? raw : undefined,
    ),
    timeout_ms: optional(int("ms", 1, TIMEOUT_MS_MAX)),
    budget: optional(
      record<RouteBudget>(
        { rate: positive("tokens a second", RATE_MAX), burst: int("tokens", 1, BURST_MAX), shadow: optional(boolean) },
        "an object with rate and burst, and perhaps shadow",
      ),
    ),
  },
  "an object with message_type, method and path",
);

const routeList = list(route, { plural: "routes", itemsMax: ROUTES_MAX });

/** The route table: each message type at most once. */
export const routes: Kind<readonly RouteConfig[]> = {
  ...routeList,
  decode(raw) {
    const decoded = routeList.decode(raw);
    if (!decoded.ok) return decoded;
    const types = decoded.value.map((each) => each.message_type);
    const problems = types.flatMap((type, index) =>
      types.indexOf(type) < index ? [`item ${index}: message_type: got "${type}" a second time, expected each once`] : [],
    );
    return problems.length > 0 ? { ok: false, problems } : decoded;
  },
};

function isMessageType(raw: unknown): raw is string {
  if (typeof raw !== "string" || raw.length > MESSAGE_TYPE_MAX || raw.startsWith("gateway.")) return false;
  return /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/.test(raw);
}

const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._~-]+$/;
const PLACEHOLDER = /^\{[A-Za-z_][A-Za-z0-9_]*\}$/;
const PATH_CHARS_MAX = 1024;

function isRoutePath(raw: unknown): raw is string {
  if (typeof raw !== "string" || raw.length > PATH_CHARS_MAX || !raw.startsWith("/api/v1/user/")) return false;
  const segments = raw.slice(1).split("/");
  const placeholders = segments.filter((segment) => PLACEHOLDER.test(segment));
  if (new Set(placeholders).size < placeholders.length) return false;
  return segments.every((segment) => SEGMENT.test(segment) || PLACEHOLDER.test(segment));
}
