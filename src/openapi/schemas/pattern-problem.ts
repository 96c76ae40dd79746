import { SchemaProblem } from "../../schema/schema-problem.ts";
import { Steps } from "../../schema/steps.ts";

const KNOWN = new Map<string, string | undefined>();
const KNOWN_MAX = 10_000;

/** Returns why a gateway refuses a pattern, or `undefined` if it accepts the pattern. */
export function patternProblem(pattern: string): string | undefined {
  if (KNOWN.has(pattern)) return KNOWN.get(pattern);
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  const problem = compileProblem(pattern);
  KNOWN.set(pattern, problem);
  return problem;
}

/** Loads RE2 when the first pattern is compiled, because most runs of the command compile no pattern. */
function compileProblem(pattern: string): string | undefined {
  const { linearPattern }: typeof import("../../schema/linear-pattern.ts") = require("../../schema/linear-pattern.ts");
  try {
    linearPattern(pattern, new Steps());
    return undefined;
  } catch (cause) {
    if (cause instanceof SchemaProblem) return cause.message;
    throw cause;
  }
}
