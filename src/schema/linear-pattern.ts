import { RE2JS } from "re2js";
import { SchemaProblem } from "./schema-problem.ts";
import type { Steps } from "./steps.ts";

/** A compiled pattern. */
export interface LinearPattern {
  test(text: string): boolean;
  toString(): string;
}

/** Maximum length of a pattern, in characters. */
const PATTERN_CHARS_MAX = 2000;
/** Maximum number of instructions of a compiled pattern. `{1,1000}` of one class takes about 2000. */
const PROGRAM_MAX = 4096;
/** Steps of each match, in addition to its work. */
const STEPS_PER_MATCH = 40;
/** Work that counts as one step. Work is instructions times characters. A unit takes at most about 10 ns, and mostly far less. */
const WORK_PER_STEP = 4;

/**
 * Compiles a `pattern` for RE2, whose time is linear in the length of the string. `RegExp` backtracks: a pattern such as
 * `^(a+)+$` takes minutes for thirty characters. RE2 has no back-references and no look-around.
 */
export function linearPattern(pattern: string, steps: Steps): LinearPattern {
  const compiled = compile(pattern);
  const size = compiled.programSize();
  return {
    test(text) {
      steps.take(STEPS_PER_MATCH + Math.ceil((text.length * size) / WORK_PER_STEP));
      return compiled.test(text);
    },
    // ajv stores one compiled pattern for each text.
    toString: () => pattern,
  };
}

function compile(pattern: string): RE2JS {
  if (pattern.length > PATTERN_CHARS_MAX) throw new SchemaProblem(`a pattern is longer than ${PATTERN_CHARS_MAX} characters`);
  const compiled = tryCompile(pattern);
  if (compiled === undefined) {
    throw new SchemaProblem(
      `the pattern ${JSON.stringify(pattern)} is wrong or not supported: it must match in linear time, without back-references and look-around`,
    );
  }
  if (compiled.programSize() > PROGRAM_MAX)
    throw new SchemaProblem(`the pattern ${JSON.stringify(pattern)} is too complex: its repetitions are too large`);
  return compiled;
}

function tryCompile(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch {
    return undefined;
  }
}
