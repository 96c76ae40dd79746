import { isObject } from "../config/decoder.ts";
import type { Node, OpenApiDocument } from "./document.ts";
import { firstServer, type Server, serverOf } from "./servers.ts";

/** The HTTP methods that a route can have, as an OpenAPI path item names them. */
const ROUTE_METHODS = ["get", "put", "post", "delete", "patch"] as const;
export type OperationMethod = (typeof ROUTE_METHODS)[number];
const OTHER_METHODS = ["options", "head", "trace", "query"];

/** One operation, including what it inherits from its path item and from the document, such as the server. */
export interface Operation {
  readonly method: OperationMethod;
  /** The path as it is in the document, such as `/pets/{petId}`. */
  readonly path: string;
  readonly server: Server;
  readonly operationId: string | undefined;
  readonly summary: string | undefined;
  readonly tags: readonly string[];
  readonly parameters: readonly Node[];
  readonly requestBody: Node | undefined;
  readonly responses: Node;
}

/** Identifies an operation in messages to the user. */
export interface OperationName {
  readonly method: string;
  readonly path: string;
  readonly operationId: string | undefined;
}

export interface OperationEntry {
  readonly name: OperationName;
  readonly tags: readonly string[];
  /**
   * Reads the operation. Throws `NotExpressible` if the operation is invalid. The field is `undefined` if a route cannot have
   * the operation's method.
   */
  readonly read: (() => Operation) | undefined;
}

/** Lists all operations of the document, in the order of its paths. */
export function operationsOf(document: OpenApiDocument): OperationEntry[] {
  const { paths } = document.root;
  if (!isObject(paths)) return [];
  return Object.entries(paths).flatMap(([path, item]) => (path.startsWith("x-") ? [] : entriesOf(document, path, item)));
}

function entriesOf(document: OpenApiDocument, path: string, raw: unknown): OperationEntry[] {
  let item: Node;
  try {
    item = document.resolve(raw);
  } catch (cause) {
    const failing = () => {
      throw cause;
    };
    return [{ name: { method: "each method", path, operationId: undefined }, tags: [], read: failing }];
  }
  const more = item["additionalOperations"];
  const others = [...OTHER_METHODS, ...(isObject(more) ? Object.keys(more) : [])];
  return [
    ...ROUTE_METHODS.flatMap((method) => {
      const operation = item[method];
      if (!isObject(operation)) return [];
      const name = { method: method.toUpperCase(), path, operationId: textOf(operation["operationId"]) };
      return [{ name, tags: textsOf(operation["tags"]), read: () => read(document, { method, path, item, operation }) }];
    }),
    ...others.flatMap((method) => {
      const operation = item[method] ?? (isObject(more) ? more[method] : undefined);
      if (!isObject(operation)) return [];
      const name = { method: method.toUpperCase(), path, operationId: textOf(operation["operationId"]) };
      return [{ name, tags: textsOf(operation["tags"]), read: undefined }];
    }),
  ];
}

interface Place {
  readonly method: OperationMethod;
  readonly path: string;
  readonly item: Node;
  readonly operation: Node;
}

function read(document: OpenApiDocument, { method, path, item, operation }: Place): Operation {
  const { requestBody, responses } = operation;
  return {
    method,
    path,
    server: firstServer(operation["servers"]) ?? firstServer(item["servers"]) ?? serverOf(document.root["servers"]),
    operationId: textOf(operation["operationId"]),
    summary: textOf(operation["summary"]) ?? textOf(item["summary"]),
    tags: textsOf(operation["tags"]),
    parameters: parametersOf(document, item["parameters"], operation["parameters"]),
    requestBody: requestBody === undefined ? undefined : document.resolve(requestBody),
    responses: isObject(responses) ? responses : {},
  };
}

/**
 * Returns the parameters of a path and of an operation. A parameter of the operation replaces a parameter of the path with the
 * same `name` and `in`.
 */
function parametersOf(document: OpenApiDocument, ofPath: unknown, ofOperation: unknown): Node[] {
  const all = [ofPath, ofOperation].flatMap((list) => (Array.isArray(list) ? list : []));
  const named = all.map((each) => document.resolve(each)).map((each) => [`${each["in"]} ${each["name"]}`, each] as const);
  return [...new Map(named).values()];
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
