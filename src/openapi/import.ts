import { routes as routeDecoder } from "../config/routes.ts";
import { requireJsonAnswer } from "./answer.ts";
import { jsonBody } from "./body.ts";
import type { OpenApiDocument } from "./document.ts";
import { MessageTypes } from "./message-type.ts";
import { NotExpressible } from "./not-expressible.ts";
import { type Operation, type OperationMethod, type OperationName, operationsOf } from "./operations.ts";
import { readParameters } from "./parameters.ts";
import { routePath, unusedName, variableNames } from "./route-path.ts";
import { serverOf } from "./servers.ts";

/** A route of the configuration, as it is written. */
export type ImportedRow = Readonly<Record<string, string>> & { readonly message_type: string };

export interface ImportedRoute {
  readonly operation: OperationName & { readonly summary: string | undefined };
  readonly row: ImportedRow;
  readonly path: string;
  /** What writers of clients must know. */
  readonly remarks: readonly string[];
}

export interface LeftOut {
  readonly operation: OperationName;
  readonly reason: string;
}

export interface ImportResult {
  readonly routes: readonly ImportedRoute[];
  readonly leftOut: readonly LeftOut[];
}

export interface ImportOptions {
  /** Only operations with one of these tags. Default: all. */
  readonly tags?: readonly string[];
  /** Only operations whose path starts with one of these texts. Default: all. */
  readonly pathPrefixes?: readonly string[];
  /** Replaces the path of the document's server. */
  readonly basePath?: string | undefined;
}

/** Converts each operation of a document to a route, or says why it cannot be one. */
export function importRoutes(document: OpenApiDocument, options: ImportOptions = {}): ImportResult {
  const { tags = [], pathPrefixes = [] } = options;
  const chosen = operationsOf(document).filter(
    ({ name, tags: own }) =>
      (tags.length === 0 || own.some((tag) => tags.includes(tag))) &&
      (pathPrefixes.length === 0 || pathPrefixes.some((prefix) => name.path.startsWith(prefix))),
  );
  const importer = new Importer(document, options.basePath);
  for (const { name, read } of chosen) importer.add(name, read);
  return importer;
}

class Importer implements ImportResult {
  readonly routes: ImportedRoute[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly #document: OpenApiDocument;
  readonly #basePath: string | undefined;
  readonly #messageTypes = new MessageTypes();
  /** The message types of the routes, by method and path. These paths contain no names of variables. */
  readonly #calls = new Map<string, string>();

  constructor(document: OpenApiDocument, basePath: string | undefined) {
    this.#document = document;
    this.#basePath = basePath?.replace(/\/+$/, "");
  }

  add(name: OperationName, read: (() => Operation) | undefined): void {
    try {
      if (read === undefined) throw new NotExpressible(`a route has no method ${name.method}`);
      this.routes.push(this.#routeOf(name, read()));
    } catch (error) {
      if (!(error instanceof NotExpressible)) throw error;
      this.leftOut.push({ operation: name, reason: error.message });
    }
  }

  #routeOf(name: OperationName, operation: Operation): ImportedRoute {
    requireJsonAnswer(this.#document, operation.responses);
    const { path, body, remarks } = mappingOf(this.#document, operation);
    const full = this.#pathAtServer(operation) + path;
    if (full === "/") throw new NotExpressible("its path is /, and the path of a route has at least one segment");
    const call = `${name.method} ${full.replace(/\{[^}]*\}/g, "{}")}`;
    const twin = this.#calls.get(call);
    if (twin !== undefined) throw new NotExpressible(`the route ${twin} has the same method and path`);
    requireRoute(operation.method, full, body);
    const row = rowOf(this.#messageTypes.of(operation), operation.method, full, body);
    this.#calls.set(call, row.message_type);
    return { operation: { ...name, summary: operation.summary }, row, path: full, remarks };
  }

  #pathAtServer({ server }: Operation): string {
    const main = serverOf(this.#document.root["servers"]);
    if (server.origin !== "" && server.origin !== main.origin) {
      throw new NotExpressible(`it has a server of its own, ${server.origin}, and all routes call one backend`);
    }
    return server.basePath === main.basePath && this.#basePath !== undefined ? this.#basePath : server.basePath;
  }
}

interface Mapping {
  readonly path: string;
  /** The `body` of the route, or `undefined` if it has no body. */
  readonly body: string | undefined;
  readonly remarks: readonly string[];
}

/** Decides where each field of the payload goes. Every field gets a different name. */
function mappingOf(document: OpenApiDocument, operation: Operation): Mapping {
  const { queryNames, deepNames, remarks } = readParameters(operation.parameters);
  const body = jsonBody(document, operation.requestBody, operation.method === "get");
  const isPlain = variableNames(operation.path).length === 0 && queryNames.length === 0;
  const isWhole = body !== undefined && queryNames.length === 0 && (isPlain || body.names !== undefined);
  const bodyName = body === undefined ? undefined : isWhole ? "*" : unusedName("body", new Set(queryNames), "request");
  const taken = new Set([...queryNames, ...(isWhole ? (body.names ?? []) : bodyName === undefined ? [] : [bodyName])]);
  const { path, renamed, single } = routePath(operation.path, { taken, deep: deepNames });
  const renames = [...renamed].map(([from, to]) => `the field ${to} is the path parameter ${from}`);
  const narrowed = single.map((name) => `a value of ${name} with a slash is refused`);
  const isBodyField = bodyName !== undefined && bodyName !== "*";
  return {
    path,
    body: bodyName,
    remarks: [...renames, ...narrowed, ...remarks, ...(isBodyField ? [`the field ${bodyName} is the body`] : [])],
  };
}

function rowOf(messageType: string, method: OperationMethod, path: string, body: string | undefined): ImportedRow {
  return { message_type: messageType, [method]: path, ...(body !== undefined && { body }) };
}

/** Throws `NotExpressible` if the configuration would refuse the route. */
function requireRoute(method: OperationMethod, path: string, body: string | undefined): void {
  const decoded = routeDecoder.decode([rowOf("import.check", method, path, body)]);
  if (decoded.ok) return;
  const [problem] = decoded.problems;
  throw new NotExpressible((problem?.text ?? "a route cannot have its path").replace(/^import\.check: /, ""));
}
