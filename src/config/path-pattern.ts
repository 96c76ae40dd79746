import { messageOf } from "../core/cause.ts";
import { PathPattern } from "../core/path-pattern.ts";
import { type Decoder, decoder } from "./decoder.ts";

/**
 * Creates a decoder for a path of plain segments and variables. `expected` describes a valid path in error messages. `violation`
 * returns what is wrong with a parsed pattern, or `undefined`. This text must not quote the pattern.
 */
export function pathPattern(expected: string, violation: (pattern: PathPattern) => string | undefined): Decoder<string> {
  const problemOf = (text: string) => {
    try {
      return violation(new PathPattern(text));
    } catch (error) {
      return messageOf(error);
    }
  };
  return decoder(expected, (raw) => (typeof raw === "string" && problemOf(raw) === undefined ? raw : undefined), {
    schema: { type: "string", pattern: "^/" },
    hint: (raw) => (typeof raw === "string" ? `the path ${problemOf(raw)}` : undefined),
  });
}

/** Decodes the path of the session look-up at the backend. */
export const sessionPath: Decoder<string> = pathPattern(
  "a path with the segment {device_session_id} once, such as /sessions/{device_session_id}",
  ({ variables }) =>
    variables.size === 1 && variables.has("device_session_id")
      ? undefined
      : "must have {device_session_id}, and no other variable",
);
