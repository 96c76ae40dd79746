import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import { messageOf } from "../core/cause.ts";
import type { FlatSchema } from "../core/flat-schema.ts";
import { SchemaProblem } from "./schema-problem.ts";
import { Steps, TooManySteps } from "./steps.ts";

/** Why a payload is not valid. */
export interface Violation {
  /** The JSON Pointer (RFC 6901) of the invalid part of the payload; empty for the whole payload. */
  readonly pointer: string;
  /** The keyword that the payload violates. `false`: the schema accepts nothing. `steps`: the check takes too long. */
  readonly keyword: string;
}

/** Steps that the check of any payload may take. They take about 20 ms, and suffice for a payload of a few kilobytes. */
const STEPS_BASE = 2_000_000;
/** Additional steps per character of the payload. The check of 256 KiB may take 10 million steps in total, in about 100 ms. */
const STEPS_PER_CHARACTER = 32;
/** Maximum length of a pointer in a refusal. A longer pointer is truncated, because refusals are sent in headers. */
const POINTER_CHARS_MAX = 256;

const COMPILED = new WeakMap<FlatSchema, PayloadSchema>();
/** The compiled schemas, by their text. A reload reads every schema again, and compiles only those that have changed. */
const BY_TEXT = new Map<string, WeakRef<PayloadSchema>>();
const COLLECTED = new FinalizationRegistry((text: string) => {
  if (BY_TEXT.get(text)?.deref() === undefined) BY_TEXT.delete(text);
});

/** A compiled schema. The check of a payload takes bounded time, for any schema and any payload. */
export class PayloadSchema {
  readonly #validate: ValidateFunction;
  readonly #steps = new Steps();

  /** Returns the compiled schema, and compiles it the first time. Throws `SchemaProblem` if the schema is invalid. */
  static of(schema: FlatSchema): PayloadSchema {
    const known = COMPILED.get(schema);
    if (known !== undefined) return known;
    const text = JSON.stringify(schema);
    const compiled = BY_TEXT.get(text)?.deref() ?? PayloadSchema.#compiled(schema, text);
    COMPILED.set(schema, compiled);
    return compiled;
  }

  static #compiled(schema: FlatSchema, text: string): PayloadSchema {
    const compiled = new PayloadSchema(schema);
    BY_TEXT.set(text, new WeakRef(compiled));
    COLLECTED.register(compiled, text);
    return compiled;
  }

  private constructor(schema: FlatSchema) {
    this.#steps.start(Number.POSITIVE_INFINITY);
    try {
      this.#validate = compile(schema, this.#steps);
    } catch (cause) {
      throw cause instanceof SchemaProblem ? cause : new SchemaProblem(messageOf(cause).split("\n", 1)[0] ?? "");
    }
  }

  /**
   * Checks a payload, which must be JSON. Returns `undefined` if the payload is valid. The check takes at most `stepsMax` steps.
   * The default of `stepsMax` grows with the length of the payload.
   */
  violationOf(json: string, stepsMax = STEPS_BASE + STEPS_PER_CHARACTER * json.length): Violation | undefined {
    this.#steps.start(stepsMax);
    try {
      return this.#validate(JSON.parse(json)) ? undefined : toViolation(this.#validate.errors?.at(-1));
    } catch (thrown) {
      // A RangeError is a stack overflow: the schema refers to itself, and the payload is nested too deep.
      if (thrown instanceof TooManySteps || thrown instanceof RangeError) return { pointer: "", keyword: "steps" };
      throw thrown;
    } finally {
      this.#validate.errors = null;
    }
  }
}

/** Loads ajv and RE2 when the first schema is compiled. They take 50 ms and 15 MB, which a gateway without schemas saves. */
function compile(schema: FlatSchema, steps: Steps): ValidateFunction {
  const { Compiler }: typeof import("./compiler.ts") = require("./compiler.ts");
  return new Compiler(schema, steps).compile();
}

/**
 * Converts an error of ajv. For a missing or unexpected property, ajv reports the pointer of the object. The returned pointer also
 * contains the property's name.
 */
function toViolation(error: ErrorObject | undefined): Violation {
  if (error === undefined) return { pointer: "", keyword: "false" };
  const { missingProperty, additionalProperty, unevaluatedProperty } = error.params;
  const name: unknown = missingProperty ?? additionalProperty ?? unevaluatedProperty;
  const inner = typeof name === "string" ? `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` : "";
  const pointer = `${error.instancePath}${inner}`.slice(0, POINTER_CHARS_MAX).toWellFormed();
  return { pointer, keyword: error.keyword === "false schema" ? "false" : error.keyword };
}
