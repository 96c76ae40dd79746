import { routes as routeDecoder } from "../config/routes.ts";
import { answerFields } from "./answer.ts";
import type { OpenApiDocument } from "./document.ts";
import { NotExpressible } from "./document.ts";
import { mappingOf, type PayloadFields } from "./mapping.ts";
import { MessageTypes } from "./message-type.ts";
import { type Operation, type OperationName, operationsOf } from "./operations.ts";
import type { Loss } from "./schemas/losses.ts";
import { payloadSchema } from "./schemas/payload-schema.ts";
import { serverOf } from "./servers.ts";

/** Placeholder for the message type while a route is checked. It is removed from error messages. */
const CHECKED_TYPE = "import.check";
/**
 * Maximum size of all schemas together, in characters. They can be larger than the document, because each schema has a copy of
 * every part that it uses.
 */
const SCHEMAS_SIZE_MAX = 64 * 1024 * 1024;

/** The settings of one route, as the configuration file contains them. */
export type ImportedRow = Readonly<Record<string, string>> & { readonly message_type: string };

export interface ImportedRoute {
  readonly operation: OperationName & { readonly summary: string | undefined };
  readonly row: ImportedRow;
  readonly path: string;
  /** What authors of clients must know about the route. */
  readonly remarks: readonly string[];
  /** The file that the field `schema` of `row` names; `undefined` if the payload has no schema. */
  readonly schema: SchemaFile | undefined;
  /** The parts of the document's schemas that are left out of `schema`. */
  readonly losses: readonly Loss[];
}

export interface SchemaFile {
  readonly path: string;
  readonly text: string;
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
  /** Imports only operations with one of these tags. Default: all operations. */
  readonly tags?: readonly string[];
  /** Imports only operations whose path starts with one of these texts. Default: all operations. */
  readonly pathPrefixes?: readonly string[];
  /** Replaces the path of the document's server. */
  readonly basePath?: string | undefined;
  /** The prefix of the schema paths in the routes, such as `schemas/`. Default: payloads get no schemas. */
  readonly schemaPrefix?: string | undefined;
}

/** Converts each operation of a document to a route. If this is not possible, lists the operation and the reason in `leftOut`. */
export function importRoutes(document: OpenApiDocument, options: ImportOptions = {}): ImportResult {
  const { tags = [], pathPrefixes = [] } = options;
  const chosen = operationsOf(document).filter(
    ({ name, tags: own }) =>
      (tags.length === 0 || own.some((tag) => tags.includes(tag))) &&
      (pathPrefixes.length === 0 || pathPrefixes.some((prefix) => name.path.startsWith(prefix))),
  );
  const importer = new Importer(document, options);
  for (const { name, read } of chosen) importer.add(name, read);
  return importer;
}

class Importer implements ImportResult {
  readonly routes: ImportedRoute[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly #document: OpenApiDocument;
  readonly #basePath: string | undefined;
  readonly #schemaPrefix: string | undefined;
  #schemasSize = 0;
  readonly #messageTypes = new MessageTypes();
  /** Maps the method and path of each route to its message type. In these paths, each variable is `{}`. */
  readonly #calls = new Map<string, string>();

  constructor(document: OpenApiDocument, { basePath, schemaPrefix }: ImportOptions) {
    this.#document = document;
    this.#basePath = basePath?.replace(/\/+$/, "");
    this.#schemaPrefix = schemaPrefix;
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
    const answer = answerFields(this.#document, operation.responses);
    const { path, row: fields, remarks, payload } = mappingOf(this.#document, operation);
    const full = this.#pathAtServer(operation) + path;
    if (full === "/") throw new NotExpressible("its path is /, and the path of a route has at least one segment");
    const call = `${name.method} ${full.replace(/\{[^}]*\}/g, "{}")}`;
    const twin = this.#calls.get(call);
    if (twin !== undefined) throw new NotExpressible(`the route ${twin} has the same method and path`);
    const unnamed = { message_type: CHECKED_TYPE, [operation.method]: full, ...fields, ...answer.row };
    requireRoute(unnamed);
    const messageType = this.#messageTypes.of(operation);
    const { schema, losses } = this.#schemaOf(messageType, payload);
    const row = { ...unnamed, message_type: messageType, ...(schema !== undefined && { schema: schema.path }) };
    this.#calls.set(call, messageType);
    const { summary } = operation;
    return { operation: { ...name, summary }, row, path: full, remarks: [...remarks, ...answer.remarks], schema, losses };
  }

  #schemaOf(messageType: string, payload: PayloadFields | undefined): Pick<ImportedRoute, "schema" | "losses"> {
    if (this.#schemaPrefix === undefined || payload === undefined) return { schema: undefined, losses: [] };
    if (this.#schemasSize > SCHEMAS_SIZE_MAX) {
      const reason = "the schemas of the other operations are too large; choose operations with --tag or --path";
      return { schema: undefined, losses: payload.body === undefined ? [] : [{ pointer: "#", reason }] };
    }
    const { text, losses, size } = payloadSchema(this.#document, payload);
    this.#schemasSize += size;
    return { schema: text === undefined ? undefined : { path: `${this.#schemaPrefix}${messageType}.json`, text }, losses };
  }

  #pathAtServer({ server }: Operation): string {
    const main = serverOf(this.#document.root["servers"]);
    if (server.origin !== "" && server.origin !== main.origin) {
      throw new NotExpressible(`it has a server of its own, ${server.origin}, and all routes call one backend`);
    }
    return server.basePath === main.basePath && this.#basePath !== undefined ? this.#basePath : server.basePath;
  }
}

/** Throws `NotExpressible` if the configuration would refuse the route. */
function requireRoute(row: ImportedRow): void {
  const decoded = routeDecoder.decode([row]);
  if (decoded.ok) return;
  const [problem] = decoded.problems;
  const text = problem?.text ?? "a route cannot have its path";
  throw new NotExpressible(text.startsWith(`${CHECKED_TYPE}: `) ? text.slice(CHECKED_TYPE.length + 2) : text);
}
