import { RE2JS } from "re2js";
import { SchemaProblem } from "./schema-problem.ts";
import type { Steps } from "./steps.ts";

export interface LinearPattern {
  test(text: string): boolean;
  toString(): string;
}

/** Maximum length of a pattern, in characters. */
const PATTERN_CHARS_MAX = 2000;
/** Maximum number of instructions of a compiled pattern. `[a-z]{1,1000}` takes about 2000 instructions. */
const PROGRAM_MAX = 4096;
/** Fixed cost of a match, in steps. The variable cost of a match is added: see `WORK_PER_STEP`. */
const STEPS_PER_MATCH = 40;
/**
 * Units of work that count as one step. The work of a match is the number of the pattern's instructions times the number of the
 * text's characters. A unit takes at most about 10 ns, and usually far less.
 */
const WORK_PER_STEP = 4;

/**
 * Compiles a pattern for RE2, whose matching time is linear in the length of the text. `RegExp` is not used, because it
 * backtracks: a pattern such as `^(a+)+$` takes minutes for a text of thirty characters. RE2 has no back-references and no
 * look-around.
 */
export function linearPattern(pattern: string, steps: Steps): LinearPattern {
  const compiled = compile(pattern);
  const size = compiled.programSize();
  return {
    test(text) {
      steps.take(STEPS_PER_MATCH + Math.ceil((text.length * size) / WORK_PER_STEP));
      return compiled.test(text);
    },
    // ajv uses this text as the key of the compiled pattern in its cache.
    toString: () => pattern,
  };
}

function compile(pattern: string): RE2JS {
  if (pattern.length > PATTERN_CHARS_MAX)
    throw new SchemaProblem(`a pattern is longer than ${PATTERN_CHARS_MAX} characters`, pattern);
  const compiled = tryCompile(pattern);
  if (compiled === undefined) {
    throw new SchemaProblem(
      `the pattern ${JSON.stringify(pattern)} is wrong or not supported: it must match in linear time, without back-references and look-around`,
      pattern,
    );
  }
  if (compiled.programSize() > PROGRAM_MAX)
    throw new SchemaProblem(`the pattern ${JSON.stringify(pattern)} is too complex: its repetitions are too large`, pattern);
  return compiled;
}

function tryCompile(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch {
    return undefined;
  }
}
