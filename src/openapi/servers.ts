import { isObject } from "../config/decoder.ts";
import type { Node, OpenApiDocument } from "./document.ts";
import { NotExpressible } from "./document.ts";

/** The server of an operation. `origin` is empty if the URL of the server is relative. `basePath` has no slash at its end. */
export interface Server {
  readonly origin: string;
  readonly basePath: string;
}

const HERE: Server = { origin: "", basePath: "" };
/** Placeholder for the origin of a relative URL. The domain `invalid` is reserved (RFC 6761 6.4). */
const RELATIVE = "http://relative.invalid";

/**
 * Returns the first server of a `servers` list. Returns `undefined` if the list is missing or empty. Throws `NotExpressible`
 * if the URL of the server is invalid.
 */
export function firstServer(servers: unknown): Server | undefined {
  const [first] = Array.isArray(servers) ? servers : [];
  return isObject(first) ? readServer(first) : undefined;
}

export function serverOf(servers: unknown): Server {
  return firstServer(servers) ?? HERE;
}

/** The origin of the document's first server. Empty if the URL of this server is relative or invalid. */
export function originOf({ root }: OpenApiDocument): string {
  try {
    return serverOf(root["servers"]).origin;
  } catch {
    return "";
  }
}

function readServer({ url, variables }: Node): Server {
  if (typeof url !== "string") throw new NotExpressible("its server has no URL");
  const parsed = URL.parse(filled(url, variables), `${RELATIVE}/`);
  if (parsed === null) throw new NotExpressible("the URL of its server cannot be read");
  const basePath = decodedPath(parsed.pathname).replace(/\/+$/, "");
  return { origin: parsed.origin === RELATIVE ? "" : parsed.origin, basePath };
}

/** Replaces each variable in the URL of a server by its default value. */
function filled(url: string, variables: unknown): string {
  return url.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    const variable = isObject(variables) && Object.hasOwn(variables, name) ? variables[name] : undefined;
    const value = isObject(variable) ? variable["default"] : undefined;
    return typeof value === "string" ? value : "";
  });
}

function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
