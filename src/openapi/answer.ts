import type { OpenApiDocument } from "./document.ts";
import { isJson, mediaTypesOf } from "./media-types.ts";
import type { Node } from "./node.ts";
import { NotExpressible } from "./not-expressible.ts";

/** Throws `NotExpressible` if every successful answer of an operation has a body that is not JSON. */
export function requireJsonAnswer(document: OpenApiDocument, responses: Node): void {
  const statuses = Object.keys(responses);
  const successes = statuses.filter((status) => /^2(\d\d|XX)$/i.test(status));
  const hasDefault = statuses.includes("default");
  if (successes.length === 0 && !hasDefault) {
    if (statuses.some((status) => /^3/.test(status))) throw new NotExpressible("it answers with a redirect");
    if (statuses.some((status) => /^1/.test(status))) throw new NotExpressible("it changes the protocol of the connection");
    return;
  }
  const types = (successes.length > 0 ? successes : ["default"]).map((status) =>
    mediaTypesOf(document.resolve(responses[status])["content"]),
  );
  if (types.some((each) => each.length === 0 || each.some(isJson))) return;
  throw new NotExpressible(`its answer is ${[...new Set(types.flat())].join(" or ")}, and a route passes only JSON`);
}
