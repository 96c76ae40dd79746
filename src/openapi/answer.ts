import type { Node, OpenApiDocument } from "./document.ts";
import { NotExpressible } from "./document.ts";
import type { RouteFields } from "./mapping.ts";
import { isJson, isMultipart, mediaTypesOf, routeMediaType } from "./media-types.ts";

/** Media types of answers that may never end. The gateway passes on only complete answers, so it cannot pass on these types. */
const ENDLESS: ReadonlySet<string> = new Set(["text/event-stream", "multipart/x-mixed-replace"]);

/**
 * Returns the fields that a route needs to pass on the successful answers of an operation. If one of the answers is JSON, or if
 * no answer has a body, the route needs no field. Otherwise, it needs `response = "raw"`. Throws `NotExpressible` if no route can
 * pass on the answers.
 */
export function answerFields(document: OpenApiDocument, responses: Node): RouteFields {
  const types = successTypes(document, responses);
  if (types.length === 0 || types.some(isJson)) return { row: {}, remarks: [] };
  const passed = types.filter((type) => !isMultipart(type) && !ENDLESS.has(type));
  if (passed.length === 0) {
    const why = types.some((type) => ENDLESS.has(type))
      ? "a route passes an answer on when it is complete"
      : "a route does not pass on the boundary in the Content-Type";
    throw new NotExpressible(`its answer is ${types.join(" or ")}, and ${why}`);
  }
  const [only] = passed.length === 1 ? passed.map(routeMediaType) : [];
  return {
    row: { response: "raw", ...(only !== undefined && { response_content_type: only }) },
    remarks: [`the answer is the bytes of ${passed.join(" or ")}`],
  };
}

/** Returns the media types of all successful answers. If there are none, throws `NotExpressible` for a redirect or a 1xx answer. */
function successTypes(document: OpenApiDocument, responses: Node): string[] {
  const statuses = Object.keys(responses);
  const successes = statuses.filter((status) => /^2(\d\d|XX)$/i.test(status));
  const hasDefault = statuses.includes("default");
  if (successes.length === 0 && !hasDefault) {
    if (statuses.some((status) => /^3/.test(status))) throw new NotExpressible("it answers with a redirect");
    if (statuses.some((status) => /^1/.test(status))) throw new NotExpressible("it changes the protocol of the connection");
    return [];
  }
  const answers = (successes.length > 0 ? successes : ["default"]).map((status) => document.resolve(responses[status]));
  return [...new Set(answers.flatMap(({ content }) => mediaTypesOf(content)))];
}
