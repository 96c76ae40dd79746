/**
 * The server's side of google.api.http, written from its rules alone: it matches a request to a template and builds the request
 * message. It shares no code with the gateway.
 */

export interface ReceivedRequest {
  readonly method: string;
  /** The request target as it was received, before any URL parser changes it. */
  readonly target: string;
  readonly body: string;
}

/** A message of text fields: values of path and query arrive as texts. */
export type Message = { [name: string]: unknown };

/** Returns the message, or `undefined` if the path does not match the template. */
export function bind(template: string, body: string | undefined, received: ReceivedRequest): Message | undefined {
  const [path = "", query = ""] = received.target.split("?");
  const { pattern, fields } = toPattern(template);
  const match = pattern.exec(path);
  if (match === null) return undefined;
  const message: Message = body === "*" ? JSON.parse(received.body) : {};
  if (body !== undefined && body !== "*") message[body] = JSON.parse(received.body);
  if (body === undefined && received.body !== "") throw new Error("a body without a binding");
  for (const pair of query === "" ? [] : query.split("&")) {
    const [name = "", value = ""] = pair.split("=").map(decodeURIComponent);
    append(message, name.split("."), value);
  }
  for (const [at, field] of fields.entries()) put(message, field.split("."), decodeURIComponent(match[at + 1] ?? ""));
  return message;
}

function toPattern(template: string): { pattern: RegExp; fields: string[] } {
  const fields: string[] = [];
  const source = template.replace(/\{([^=}]+)(?:=([^}]+))?\}|[.+?^$|()[\]\\]/g, (whole, field?: string, inner = "*") => {
    if (field === undefined) return `\\${whole}`;
    fields.push(field);
    return `(${inner.replace(/\*\*|\*/g, (star: string) => (star === "*" ? "[^/]+" : ".*"))})`;
  });
  return { pattern: new RegExp(`^${source}$`), fields };
}

function put(message: Message, [name = "", ...rest]: string[], value: unknown): void {
  if (rest.length === 0) message[name] = value;
  else put(inner(message, name), rest, value);
}

function append(message: Message, [name = "", ...rest]: string[], value: string): void {
  if (rest.length > 0) {
    append(inner(message, name), rest, value);
    return;
  }
  const found = message[name];
  message[name] = found === undefined ? value : [...(Array.isArray(found) ? found : [found]), value];
}

function inner(message: Message, name: string): Message {
  const found = message[name] ?? {};
  message[name] = found;
  return found as Message;
}
