import { readFileSync } from "node:fs";
import { parse } from "yaml";

const JSON_TYPE = "application/json";

export type Json = Readonly<Record<string, unknown>>;

/** One operation of a description, as a developer reads it. */
export interface DescribedOperation {
  readonly method: string;
  /** The path with its variables. */
  readonly path: string;
  /** The variables of the path, each with a valid value. */
  readonly variables: readonly (readonly [name: string, value: unknown])[];
  /** The parameters of the query, each with a valid value: a list for several values. */
  readonly query: readonly (readonly [name: string, value: unknown])[];
  /** An example of the JSON body, all bytes if the body is no JSON, or `undefined` if there is none. */
  readonly body: unknown;
  /** The examples of the JSON body that the document has. */
  readonly examples: readonly unknown[];
  /** A field of the JSON body, with a value that its type refuses. */
  readonly wrongField: readonly [name: string, value: unknown] | undefined;
  /** The Content-Types of the body, unless it is JSON. */
  readonly rawTypes: readonly string[];
  /** The Content-Type of a success, unless it is JSON. */
  readonly answerType: string | undefined;
  /** The first documented status of a success. */
  readonly status: number;
  /** Whether the last segment is a variable whose value can have several segments. */
  readonly lastIsDeep: boolean;
}

/** Every byte, neither UTF-8 nor JSON. */
export const ALL_BYTES: Uint8Array<ArrayBuffer> = Uint8Array.from({ length: 256 }, (_, at) => 255 - at);

/** An OpenAPI document, read without the code of the importer. */
export class Description {
  readonly operations: readonly DescribedOperation[];
  readonly #root: Json;

  constructor(file: string) {
    const text = readFileSync(file, "utf8");
    this.#root = objectOf(file.endsWith(".json") ? JSON.parse(text) : parse(text));
    this.operations = Object.entries(objectOf(this.#root["paths"])).flatMap(([path, item]) =>
      this.#operationsAt(path, this.#at(item)),
    );
  }

  #operationsAt(path: string, item: Json): DescribedOperation[] {
    return ["get", "put", "post", "delete", "patch"].flatMap((method) => {
      if (item[method] === undefined) return [];
      const operation = objectOf(item[method]);
      const parameters = [item["parameters"], operation["parameters"]].flatMap(listOf).map((each) => this.#at(each));
      const responses = objectOf(operation["responses"]);
      const success = Object.keys(responses).find((status) => /^2\d\d$/.test(status)) ?? "default";
      const types = this.#typesOf(operation["requestBody"]);
      const rawTypes = method === "get" || types.includes(JSON_TYPE) ? [] : types;
      const answers = this.#typesOf(responses[success]);
      const query = parameters.filter((each) => each["in"] === "query");
      return {
        method: method.toUpperCase(),
        path,
        variables: [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = ""], index) => {
          const parameter = parameters.find((each) => each["in"] === "path" && each["name"] === name);
          return [name, this.#value(parameter, `v-${name}`, index)] as const;
        }),
        query: query.map((each, index) => {
          const name = String(each["name"]);
          const value = this.#value(each, `q-${name}`, index + 100);
          return [name, this.#isList(each) ? [value, value] : value] as const;
        }),
        body: method === "get" ? undefined : rawTypes.length > 0 ? ALL_BYTES : this.#bodyOf(operation["requestBody"]),
        examples: rawTypes.length > 0 ? [] : this.#examplesOf(operation["requestBody"]),
        wrongField: rawTypes.length > 0 ? undefined : this.#wrongField(operation["requestBody"]),
        rawTypes,
        answerType: answers.some((type) => type.endsWith("json")) ? undefined : answers[0],
        status: Number(/^\d+$/.test(success) ? success : 200),
        lastIsDeep: parameters.some((each) => each["x-multi-segment"] === true && path.endsWith(`{${each["name"]}}`)),
      };
    });
  }

  /** Returns a valid value of a parameter, or of one of its elements: different for each name, if its schema allows. */
  #value(parameter: Json | undefined, text: string, number: number): unknown {
    const [alternative = parameter?.["schema"]] = listOf(this.#at(parameter?.["schema"])["oneOf"]);
    const schema = this.#at(alternative);
    const isList = schema["type"] === "array" && parameter?.["explode"] !== false;
    const { type, enum: values, const: constant, minimum } = isList ? this.#at(schema["items"]) : schema;
    const [first = constant] = listOf(values);
    if (first !== undefined) return first;
    if ([type].flat().some((each) => each === "integer" || each === "number")) return Number(minimum ?? 0) + number;
    return type === "boolean" ? true : text;
  }

  #examplesOf(raw: unknown): unknown[] {
    const { example, examples } = objectOf(objectOf(this.#at(raw)["content"])[JSON_TYPE]);
    const several = Object.values(objectOf(examples)).map((each) => this.#at(each)["value"]);
    return example === undefined ? several : [example];
  }

  /** Returns the first field with a simple type. */
  #wrongField(raw: unknown): readonly [string, unknown] | undefined {
    const schema = this.#at(objectOf(objectOf(this.#at(raw)["content"])[JSON_TYPE])["schema"]);
    if (schema["oneOf"] !== undefined || schema["anyOf"] !== undefined) return undefined;
    const fields = Object.entries(objectOf(schema["properties"])).map(([name, each]) => [name, this.#at(each)] as const);
    const simple = fields.find(
      ([, { type, oneOf, anyOf }]) => typeof type === "string" && oneOf === undefined && anyOf === undefined,
    );
    return simple === undefined ? undefined : [simple[0], simple[1]["type"] === "object" ? 7 : { not: "valid" }];
  }

  #isList(parameter: Json): boolean {
    return parameter["explode"] !== false && this.#at(parameter["schema"])["type"] === "array";
  }

  /** The Content-Types of a body or of an answer. */
  #typesOf(raw: unknown): string[] {
    return Object.keys(objectOf(this.#at(raw)["content"]));
  }

  #bodyOf(raw: unknown): unknown {
    const media = objectOf(this.#at(raw)["content"])[JSON_TYPE];
    return media === undefined ? undefined : this.#example(objectOf(media)["schema"], 0);
  }

  /** Returns a small value of the schema. */
  #example(raw: unknown, depth: number): unknown {
    const schema = this.#at(raw);
    const [first = schema["const"]] = listOf(schema["enum"]);
    if (first !== undefined) return first;
    const [alternative] = [schema["oneOf"], schema["anyOf"]].flatMap(listOf);
    const parts = [...listOf(schema["allOf"]), ...(alternative === undefined ? [] : [alternative])];
    const properties = Object.entries(objectOf(schema["properties"]));
    if (properties.length === 0 && parts.length === 0) {
      const [type] = [schema["type"]].flat();
      if (type === "array") return depth < 6 ? [this.#example(schema["items"], depth + 1)] : [];
      return type === "integer" ? 7 : type === "number" ? 1.5 : type === "boolean" ? true : type === "object" ? {} : "text";
    }
    const merged = parts.map((part) => this.#example(part, depth)).filter((each) => typeof each === "object" && each !== null);
    if (properties.length === 0)
      return merged.length === 1 ? merged[0] : merged.length === 0 ? "text" : Object.assign({}, ...merged);
    const undescribed = listOf(schema["required"]).filter((name) => !properties.some(([each]) => each === name));
    const own = [...properties, ...undescribed.map((name) => [String(name), {}] as const)].map(([name, inner]) => [
      name,
      depth < 5 ? this.#example(inner, depth + 1) : null,
    ]);
    return Object.assign({}, ...merged, Object.fromEntries(own));
  }

  #at(raw: unknown): Json {
    const value = objectOf(raw);
    const reference = value["$ref"];
    if (typeof reference !== "string") return value;
    const names = decodeURIComponent(reference.slice(2)).split("/");
    let found: unknown = this.#root;
    for (const name of names) found = objectOf(found)[name.replaceAll("~1", "/").replaceAll("~0", "~")];
    return this.#at(found);
  }
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
