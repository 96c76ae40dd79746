import { ALL_BYTES, type DescribedOperation, type Description } from "./description.ts";

/** A call that the service got, by what the description calls its parts. */
export interface ServedCall {
  readonly operation: DescribedOperation;
  readonly path: Readonly<Record<string, string>>;
  readonly query: readonly (readonly [string, string])[];
  readonly body: unknown;
}

interface Place {
  readonly pattern: RegExp;
  readonly literals: number;
  readonly operation: DescribedOperation;
}

const NO_CONTENT: ReadonlySet<number> = new Set([204, 205]);

/** A real HTTP server that answers by the paths of a description. It leaves sessions and logins to another backend. */
export class DescribedService {
  /** The URL of the backend with the sessions. */
  sessions = "";
  last: ServedCall | undefined;
  readonly #server: Bun.Server<undefined>;
  readonly #places: readonly Place[];

  constructor({ operations }: Description) {
    this.#places = operations.map(placeOf).toSorted((a, b) => b.literals - a.literals);
    this.#server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 60, fetch: (request) => this.#answer(request) });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url);
    const bytes = await request.bytes();
    const text = Buffer.from(bytes).toString();
    const { method, headers } = request;
    if (/^\/api\/v1\/(internal|public)\//.test(pathname)) {
      return fetch(`${this.sessions}${pathname}${search}`, { method, headers, body: method === "GET" ? null : text });
    }
    const place = this.#places.find(({ pattern, operation }) => operation.method === method && pattern.test(pathname));
    if (place === undefined) return Response.json({ code: "no_such_operation" }, { status: 404 });
    const { operation, pattern } = place;
    const values = pattern.exec(pathname)?.slice(1).map(decodeURIComponent) ?? [];
    const path = Object.fromEntries(operation.variables.map(([name], index) => [name, values[index] ?? ""]));
    this.last = { operation, path, query: [...searchParams], body: bodyOf(operation, headers, bytes) };
    if (NO_CONTENT.has(operation.status)) return new Response(null, { status: operation.status });
    if (operation.answerType !== undefined) {
      return new Response(ALL_BYTES, { status: operation.status, headers: { "content-type": operation.answerType } });
    }
    return Response.json({ served: `${method} ${operation.path}` }, { status: operation.status });
  }
}

/** The body as JSON, or its Content-Type and its bytes if the operation has a body that is no JSON. */
function bodyOf({ rawTypes }: DescribedOperation, headers: Headers, bytes: Uint8Array): unknown {
  if (rawTypes.length > 0) return { type: headers.get("content-type"), bytes };
  return bytes.byteLength === 0 ? undefined : JSON.parse(Buffer.from(bytes).toString());
}

function placeOf(operation: DescribedOperation): Place {
  const segments = operation.path.split("/");
  const patterns = segments.map((segment, index) => {
    const isDeep = operation.lastIsDeep && index === segments.length - 1;
    return segment.replace(/\{[^}]+\}|[^{]+/g, (text) => {
      if (!text.startsWith("{")) return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      return isDeep ? "(.+)" : "([^/]+)";
    });
  });
  const literals = segments.filter((segment) => !segment.includes("{")).length;
  return { pattern: new RegExp(`^${patterns.join("/")}$`), literals, operation };
}
