import { parseTemplate, variablesOf } from "../core/route-template.ts";
import type { ValueProblem } from "./decoder.ts";
import type { RouteMethod, WrittenRoute } from "./route-config.ts";

/**
 * Returns the problem of the first field that breaks a rule about raw bytes. Some fields are forbidden for a route with raw bytes.
 * Other fields are allowed only for such a route.
 */
export function rawProblem(route: WrittenRoute, method: RouteMethod, path: string): ValueProblem | undefined {
  return requestProblem(route, method, path) ?? responseProblem(route);
}

function requestProblem(route: WrittenRoute, method: RouteMethod, path: string): ValueProblem | undefined {
  if (route.request !== "raw") {
    if (route.request_content_type === undefined) return undefined;
    return problem(
      "request_content_type",
      'a JSON payload has the type application/json, expected request = "raw" or no such field',
    );
  }
  if (method === "GET" || method === "DELETE")
    return problem("request", `raw bytes are a body, and a ${method} has none; expected post, put or patch`);
  const [variable] = variablesOf(parseTemplate(path));
  if (variable !== undefined)
    return problem(
      "request",
      `raw bytes have no field for {${variable.field.join(".")}} of the path, expected a path without variables`,
    );
  if (route.body !== undefined && route.body !== "*")
    return problem("body", 'raw bytes have no fields, expected "*" or no body, because all bytes are the body');
  return route.schema === undefined
    ? undefined
    : problem("schema", 'raw bytes have no schema, expected none, or request = "json"');
}

function responseProblem({ response, response_body, response_content_type }: WrittenRoute): ValueProblem | undefined {
  if (response !== "raw") {
    if (response_content_type === undefined) return undefined;
    return problem(
      "response_content_type",
      'a JSON answer has the type application/json, expected response = "raw" or no such field',
    );
  }
  if (response_body === undefined) return undefined;
  return problem("response_body", "raw bytes are the whole payload of the client, expected no response_body");
}

function problem(field: string, text: string): ValueProblem {
  return { at: [field], text };
}
