import { isMessageType, isReservedType } from "../core/grammar.ts";
import { KEEP_ANSWER_MS_MAX } from "../core/limits.ts";
import { parseRoutePath } from "../core/route-path.ts";
import { type Decoder, decoder, list, optional, record } from "./decoder.ts";
import { boolean, choice, int, positive } from "./values.ts";

/** One message type and the backend call that serves it. The fields have the same names as in the configuration file. */
export type RouteConfig = {
  readonly message_type: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** A path under /api/v1/user/. A `{placeholder}` segment takes its value from the payload. */
  readonly path: string;
  /** Timeout of the backend call, in ms. Default: the setting `backend.timeout_ms`. */
  readonly timeout_ms?: number | undefined;
  /** How long the answer to a request with an idempotency key is kept, in ms. Default: answers are not kept. */
  readonly keep_answer_ms?: number | undefined;
  /** The budget of each user for this message type. Default: no such budget. */
  readonly budget?: RouteBudget | undefined;
};

/**
 * A token bucket: `rate` tokens a second, at most `burst` tokens. `shadow`: requests over the budget are counted, not refused.
 */
export type RouteBudget = { readonly rate: number; readonly burst: number; readonly shadow?: boolean | undefined };

const ROUTES_MAX = 1000;
export const TIMEOUT_MS_MAX = 120_000;
export const RATE_MAX = 1_000_000;
export const BURST_MAX = 1_000_000;

const route = record<RouteConfig>(
  {
    message_type: decoder('a message type such as "chat.message.send", that does not start with "gateway."', (raw) =>
      typeof raw === "string" && isMessageType(raw) && !isReservedType(raw) ? raw : undefined,
    ),
    method: choice("GET", "POST", "PUT", "PATCH", "DELETE"),
    path: decoder("a path under /api/v1/user/, each segment plain or a {placeholder} with a unique name", (raw) =>
      isRoutePath(raw) ? raw : undefined,
    ),
    timeout_ms: optional(int("ms", 1, TIMEOUT_MS_MAX)),
    keep_answer_ms: optional(int("ms", 1, KEEP_ANSWER_MS_MAX)),
    budget: optional(
      record<RouteBudget>(
        { rate: positive("tokens a second", RATE_MAX), burst: int("tokens", 1, BURST_MAX), shadow: optional(boolean) },
        "an object with rate and burst, and optionally shadow",
      ),
    ),
  },
  "an object with message_type, method and path",
);

const routeList = list(route, { plural: "routes", itemsMax: ROUTES_MAX });

/** Decodes the route table. A message type that occurs twice is rejected. */
export const routes: Decoder<readonly RouteConfig[]> = {
  ...routeList,
  decode(raw) {
    const decoded = routeList.decode(raw);
    if (!decoded.ok) return decoded;
    const types = decoded.value.map((each) => each.message_type);
    const problems = types.flatMap((type, index) =>
      types.indexOf(type) < index
        ? [{ at: [index, "message_type"], text: `got "${type}" a second time, expected each once` }]
        : [],
    );
    return problems.length > 0 ? { ok: false, problems } : decoded;
  },
};

const PATH_PREFIX = "/api/v1/user/";

function isRoutePath(raw: unknown): raw is string {
  if (typeof raw !== "string" || !raw.startsWith(PATH_PREFIX)) return false;
  try {
    parseRoutePath(raw);
    return true;
  } catch {
    return false;
  }
}
