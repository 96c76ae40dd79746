import { OCTET_STREAM } from "../core/media-type.ts";
import type { OpenApiDocument } from "./document.ts";
import { NotExpressible } from "./document.ts";
import type { Operation } from "./operations.ts";
import { type FieldParameter, type Parameters, readParameters } from "./parameters.ts";
import { type Body, bodyOf, type RawBody } from "./request-body.ts";
import { routePath, unusedName, variableNames } from "./route-path.ts";

/** Fields of a route (`row`), and what authors of clients must know about them (`remarks`). */
export interface RouteFields {
  readonly row: Readonly<Record<string, string>>;
  readonly remarks: readonly string[];
}

/** How a route sends the payload to the backend: the path of the route, and the fields of the route for the body. */
export interface Mapping extends RouteFields {
  readonly path: string;
  /** The fields of the payload. `undefined` if the payload is bytes. */
  readonly payload: PayloadFields | undefined;
}

export interface PayloadFields {
  /**
   * The schema of the body, and the field of the payload that contains the body. If `field` is `*`, the body consists of all fields
   * that are not parameters. `undefined` if the call has no body.
   */
  readonly body: { readonly field: string; readonly schema: unknown } | undefined;
  /** The parameters of the path and the query. The key is the name of the parameter's field in the payload. */
  readonly parameters: ReadonlyMap<string, FieldParameter>;
}

/** Decides how a route sends the payload to the backend. Throws `NotExpressible` if no route can send what the operation needs. */
export function mappingOf(document: OpenApiDocument, operation: Operation): Mapping {
  const parameters = readParameters(document, operation.parameters);
  const body = bodyOf(document, operation);
  return body?.form === "raw" ? rawMapping(operation, parameters, body) : fieldMapping(operation, parameters, body);
}

/** The payload is the body. It has no fields for the variables of the path or for query parameters. */
function rawMapping({ path }: Operation, { query, remarks }: Parameters, { types, contentType }: RawBody): Mapping {
  const shown = types.join(" or ");
  const [variable] = variableNames(path);
  if (variable !== undefined)
    throw new NotExpressible(`its body is ${shown}, whose bytes have no field for {${variable}} of its path`);
  const required = query.find(({ isRequired }) => isRequired);
  if (required !== undefined)
    throw new NotExpressible(`its body is ${shown}, whose bytes have no field for the query parameter ${required.name}`);
  return {
    path: routePath(path, { taken: new Set(), deep: new Set() }).path,
    payload: undefined,
    row: { request: "raw", ...(contentType !== undefined && { request_content_type: contentType }) },
    remarks: [
      `the payload is the bytes of ${contentType ?? shown}`,
      ...(contentType === undefined ? [`set request_content_type, which is ${OCTET_STREAM} by default`] : []),
      ...query.map(({ name }) => `the query parameter ${name} is not sent`),
      ...remarks,
    ],
  };
}

/** The payload is an object. If two of its fields would have the same name, one of them gets another name. */
function fieldMapping(operation: Operation, parameters: Parameters, body: Exclude<Body, RawBody> | undefined): Mapping {
  const { query, deepNames, remarks } = parameters;
  const queryNames = query.map(({ name }) => name);
  const isPlain = variableNames(operation.path).length === 0 && queryNames.length === 0;
  const isWhole = body !== undefined && queryNames.length === 0 && (isPlain || body.names !== undefined);
  const bodyName = body === undefined ? undefined : isWhole ? "*" : unusedName("body", new Set(queryNames), "request");
  const taken = new Set([...queryNames, ...(isWhole ? (body.names ?? []) : bodyName === undefined ? [] : [bodyName])]);
  const { path, renamed, single } = routePath(operation.path, { taken, deep: deepNames });
  const renames = [...renamed].map(([from, to]) => `the field ${to} is the path parameter ${from}`);
  const forms = query.flatMap(({ remark }) => (remark === undefined ? [] : [remark]));
  const narrowed = single.map((name) => `a value of ${name} with a slash is refused`);
  const isBodyField = bodyName !== undefined && bodyName !== "*";
  const ofPath = variableNames(operation.path).map((name) => {
    const undescribed = { name, isRequired: true, form: "value", schema: undefined } as const;
    return [renamed.get(name) ?? name, parameters.path.get(name) ?? undescribed] as const;
  });
  return {
    path,
    payload: {
      body: bodyName === undefined ? undefined : { field: bodyName, schema: body?.schema },
      parameters: new Map([...ofPath, ...query.map((each) => [each.name, each] as const)]),
    },
    row: bodyName === undefined ? {} : { body: bodyName },
    remarks: [...renames, ...narrowed, ...forms, ...remarks, ...(isBodyField ? [`the field ${bodyName} is the body`] : [])],
  };
}
