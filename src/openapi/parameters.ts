import { isObject } from "../config/decoder.ts";
import type { Node } from "./node.ts";
import { NotExpressible } from "./not-expressible.ts";

/** Headers that the gateway sends by itself or passes on. OpenAPI ignores parameters for Accept, Content-Type and Authorization. */
const SENT_HEADERS: ReadonlySet<string> = new Set([
  ...["accept", "content-type", "authorization", "accept-language", "user-agent", "idempotency-key", "x-request-id"],
  ...["traceparent", "tracestate", "x-forwarded-for", "x-user-id", "x-device-session-id"],
]);

/** What the parameters of an operation mean for its route. */
export interface Parameters {
  readonly queryNames: readonly string[];
  /** Variables of the path whose value can have several segments. */
  readonly deepNames: ReadonlySet<string>;
  /** Remarks for the people who write clients. */
  readonly remarks: readonly string[];
}

/** Reads the parameters. Throws `NotExpressible` if a route cannot send a required parameter. */
export function readParameters(parameters: readonly Node[]): Parameters {
  const queryNames: string[] = [];
  const deepNames = new Set<string>();
  const remarks: string[] = [];
  for (const parameter of parameters) {
    const { name, in: place } = parameter;
    if (typeof name !== "string") throw new NotExpressible("a parameter has no name");
    if (place === "path") {
      requireSimple(parameter, name);
      if (parameter["x-multi-segment"] === true) deepNames.add(name);
    } else if (place === "query") {
      queryNames.push(name);
      const remark = queryRemark(parameter, name);
      if (remark !== undefined) remarks.push(remark);
    } else remarks.push(...unsent(parameter, name));
  }
  return { queryNames, deepNames, remarks };
}

function requireSimple({ style }: Node, name: string): void {
  if (style === undefined || style === "simple") return;
  throw new NotExpressible(`the path parameter ${name} has the style ${String(style)}, which a route does not have`);
}

/** Returns a remark if the operation expects another form of a value than a route sends: one parameter per element of an array. */
function queryRemark({ style = "form", explode = style === "form", schema, content }: Node, name: string): string | undefined {
  if (content !== undefined) return `the field ${name} is a text that contains JSON`;
  const type = isObject(schema) ? schema["type"] : undefined;
  if (style === "deepObject") return `the fields of ${name} have names such as "${name}[key]"`;
  if (type === "object" && explode === true) return `the fields of ${name} are fields of the payload itself`;
  if (type !== "array" || explode === true) return undefined;
  const separator = style === "spaceDelimited" ? "spaces" : style === "pipeDelimited" ? "|" : "commas";
  return `the field ${name} is one text, with ${separator} between its elements`;
}

/** Returns a remark for a header or cookie that is not sent. Throws `NotExpressible` if it is required. */
function unsent({ in: place, required }: Node, name: string): string[] {
  if (place === "header" && SENT_HEADERS.has(name.toLowerCase())) return [];
  const what = place === "cookie" ? `the cookie ${name}` : place === "header" ? `the header ${name}` : `the parameter ${name}`;
  if (required === true) throw new NotExpressible(`it requires ${what}, which a route does not send`);
  return [`${what} is not sent`];
}
