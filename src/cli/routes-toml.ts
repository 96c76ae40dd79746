import { tomlText } from "../config/toml-text.ts";
import { pathShown } from "../core/file-problem.ts";
import type { ImportedRoute, ImportResult, LeftOut } from "../openapi/import.ts";
import type { OperationName } from "../openapi/operations.ts";
import { routePrefixes } from "../openapi/route-prefixes.ts";
import type { Loss } from "../openapi/schemas/losses.ts";
import { printableLine } from "./output/printable.ts";

const SUMMARY_CHARS_MAX = 100;

export interface TomlOptions {
  /** The name of the OpenAPI document. */
  readonly file: string;
  /** The origin of the document's first server. Empty if the document has no absolute server URL. */
  readonly origin: string;
}

/** Returns imported routes as a configuration file. Text of the document appears only in comments or in quotation marks. */
export function routesToml({ routes, leftOut }: ImportResult, { file, origin }: TomlOptions): string {
  const prefixes = routePrefixes(routes.map(({ path }) => path));
  const lines = [
    `Imported from ${pathShown(file)} by \`sallyport routes import\`: ${routes.length} of ${routes.length + leftOut.length} operations.`,
    "The message types are defaults. Clients use them, so rename them before the first client does.",
  ];
  const backend = [
    "[backend]",
    ...(origin === "" ? [] : [comment(`url = ${tomlText(origin)}`)]),
    ...(prefixes.length === 0 ? [] : [`route_prefixes = ${tomlText(prefixes)}`]),
  ];
  const sections = [lines.map(comment), backend, ...routes.map(routeLines), leftOutLines(leftOut)];
  return `${sections
    .filter((section) => section.length > 0)
    .map((section) => section.join("\n"))
    .join("\n\n")}\n`;
}

/** Returns the method, path and id of an operation, on one line. */
export function shownOperation({ method, path, operationId }: OperationName): string {
  return printableLine(`${method} ${path}${operationId === undefined ? "" : ` (${operationId})`}`);
}

/** Returns the JSON pointer of a schema part that was left out, and the reason, on one line. */
export function shownLoss({ pointer, reason }: Loss): string {
  return printableLine(`${pointer}: ${reason}`);
}

function routeLines({ operation, row, remarks, losses }: ImportedRoute): string[] {
  const summary = operation.summary?.replace(/\s+/g, " ").slice(0, SUMMARY_CHARS_MAX);
  const missing = losses.map((loss) => `not in the schema: ${shownLoss(loss)}`);
  const texts = [...(summary === undefined ? [] : [summary]), ...remarks, ...missing];
  return ["[[routes]]", ...texts.map(comment), ...Object.entries(row).map(([name, value]) => `${name} = ${tomlText(value)}`)];
}

function leftOutLines(leftOut: readonly LeftOut[]): string[] {
  if (leftOut.length === 0) return [];
  return ["Left out:", ...leftOut.map(({ operation, reason }) => `${shownOperation(operation)}: ${reason}`)].map(comment);
}

/** Returns the text as a TOML comment of one line. Line breaks in the text are escaped. */
function comment(text: string): string {
  return `# ${printableLine(text)}`;
}
