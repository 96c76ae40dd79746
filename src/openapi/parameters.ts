import type { Node, OpenApiDocument } from "./document.ts";
import { NotExpressible } from "./document.ts";

/**
 * Header parameters that the imported route does not mention. OpenAPI ignores parameters named Accept, Content-Type and
 * Authorization. The gateway sets or passes on all other headers in this set.
 */
const SENT_HEADERS: ReadonlySet<string> = new Set([
  ...["accept", "content-type", "authorization", "accept-language", "user-agent", "idempotency-key", "x-request-id"],
  ...["traceparent", "tracestate", "x-forwarded-for", "x-user-id", "x-device-session-id"],
]);

/** A parameter of the path or of the query. */
export interface FieldParameter {
  readonly name: string;
  readonly isRequired: boolean;
  /**
   * How the payload contains the value of the parameter:
   *
   * - `value`: in one field, as a value that matches the schema.
   * - `text`: in one field, as one text.
   * - `spread`: in several fields. Their names differ from the name of the parameter.
   */
  readonly form: "value" | "text" | "spread";
  readonly schema: unknown;
  /** What authors of clients must know about the parameter. */
  readonly remark?: string;
}

/** The parameters of an operation that its route can send, and remarks about the others. */
export interface Parameters {
  readonly query: readonly FieldParameter[];
  /** The parameters of the path, by name. The document may declare no parameter for a path variable. */
  readonly path: ReadonlyMap<string, FieldParameter>;
  /** Variables of the path whose value can have several segments. */
  readonly deepNames: ReadonlySet<string>;
  /** Remarks for authors of clients. Each one names a header or cookie that the gateway does not send. */
  readonly remarks: readonly string[];
}

/** Reads the parameters. Throws `NotExpressible` if a route cannot send a required parameter. */
export function readParameters(document: OpenApiDocument, parameters: readonly Node[]): Parameters {
  const query: FieldParameter[] = [];
  const path = new Map<string, FieldParameter>();
  const deepNames = new Set<string>();
  const remarks: string[] = [];
  for (const parameter of parameters) {
    const { name, in: place, schema } = parameter;
    if (typeof name !== "string") throw new NotExpressible("a parameter has no name");
    const types = [document.resolveSchema(schema)["type"]].flat();
    if (place === "path") {
      requireSimple(parameter, name);
      if (parameter["x-multi-segment"] === true) deepNames.add(name);
      const isText = parameter["content"] !== undefined || types.includes("array") || types.includes("object");
      path.set(name, { name, isRequired: true, form: isText ? "text" : "value", schema });
    } else if (place === "query") {
      query.push({ name, isRequired: parameter["required"] === true, schema, ...queryForm(parameter, name, types) });
    } else remarks.push(...unsent(parameter, name));
  }
  return { query, path, deepNames, remarks };
}

function requireSimple({ style }: Node, name: string): void {
  if (style === undefined || style === "simple") return;
  throw new NotExpressible(`the path parameter ${name} has the style ${String(style)}, which a route does not have`);
}

/** Returns how the payload contains a query parameter. Adds a remark if the form is not `value`. */
function queryForm(
  { style = "form", explode = style === "form", content }: Node,
  name: string,
  types: readonly unknown[],
): Pick<FieldParameter, "form" | "remark"> {
  if (content !== undefined) return { form: "text", remark: `the field ${name} is a text that contains JSON` };
  if (style === "deepObject") return { form: "spread", remark: `the fields of ${name} have names such as "${name}[key]"` };
  if (types.includes("object")) {
    if (explode === true) return { form: "spread", remark: `the fields of ${name} are fields of the payload itself` };
    return { form: "text", remark: `the field ${name} is one text, with its names and values` };
  }
  if (!types.includes("array") || explode === true) return { form: "value" };
  const separator = style === "spaceDelimited" ? "spaces" : style === "pipeDelimited" ? "|" : "commas";
  return { form: "text", remark: `the field ${name} is one text, with ${separator} between its elements` };
}

/** Returns a remark for a header or cookie that is not sent. Throws `NotExpressible` if it is required. */
function unsent({ in: place, required }: Node, name: string): string[] {
  if (place === "header" && SENT_HEADERS.has(name.toLowerCase())) return [];
  const what = place === "cookie" ? `the cookie ${name}` : place === "header" ? `the header ${name}` : `the parameter ${name}`;
  if (required === true) throw new NotExpressible(`it requires ${what}, which a route does not send`);
  return [`${what} is not sent`];
}
