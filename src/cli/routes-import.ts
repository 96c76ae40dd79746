import { writeFileSync } from "node:fs";
import { ROUTES_MAX } from "../config/routes.ts";
import { absolutePathShown, whyUnreadable } from "../core/file-problem.ts";
import { DOCUMENT_BYTES_MAX, DocumentError, OpenApiDocument } from "../openapi/document.ts";
import { type ImportOptions, type ImportResult, importRoutes } from "../openapi/import.ts";
import { UsageError } from "./arguments/usage-error.ts";
import { CommandFailure, EXIT, type ExitCode } from "./exit-code.ts";
import type { Output } from "./output/output.ts";
import { routesToml, shownOperation } from "./routes-toml.ts";

export interface ImportFileOptions extends ImportOptions {
  /** The OpenAPI document, or `-` for standard input. */
  readonly file: string;
  /** The new file for the routes. Default: standard output. */
  readonly out: string | undefined;
}

/**
 * `sallyport routes import`: writes the routes of an OpenAPI document as TOML. Standard error names each operation for which no
 * route was written, with the reason.
 */
export async function importFile({ file, out, ...options }: ImportFileOptions, output: Output): Promise<ExitCode> {
  if (options.basePath?.startsWith("/") === false) throw new UsageError("--base-path starts with a slash");
  try {
    const document = await read(file);
    const result = importRoutes(document, options);
    const toml = routesToml(result, { file, origin: document.origin });
    if (out === undefined) await output.write(toml);
    else writeNew(out, toml);
    return report(result, output);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    output.note(`sallyport: ${error.message}`);
    return error.exitCode;
  }
}

async function read(file: string): Promise<OpenApiDocument> {
  const name = file === "-" ? "standard input" : absolutePathShown(file);
  try {
    return new OpenApiDocument(await textOf(file === "-" ? Bun.stdin : Bun.file(file)));
  } catch (cause) {
    const why = cause instanceof DocumentError ? cause.message : `cannot be read: ${whyUnreadable(cause)}`;
    throw new CommandFailure(EXIT.usage, `${name}: ${why}`);
  }
}

async function textOf(source: Bun.BunFile): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source.stream()) {
    bytes += chunk.byteLength;
    if (bytes > DOCUMENT_BYTES_MAX) throw new DocumentError(`the document is larger than ${DOCUMENT_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function writeNew(path: string, content: string): void {
  try {
    writeFileSync(path, content, { flag: "wx" });
  } catch (cause) {
    const isThere = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    const why = isThere ? "already exists, and is not overwritten" : `cannot be written: ${whyUnreadable(cause)}`;
    throw new CommandFailure(EXIT.failed, `${absolutePathShown(path)}: ${why}`);
  }
}

function report({ routes, leftOut }: ImportResult, output: Output): ExitCode {
  for (const { operation, reason } of leftOut) output.note(`sallyport: left out: ${shownOperation(operation)}: ${reason}`);
  output.note(`sallyport: imported ${routes.length} of ${routes.length + leftOut.length} operations`);
  if (routes.length > ROUTES_MAX) {
    output.note(`sallyport: a gateway takes at most ${ROUTES_MAX} routes; choose some of them with --tag or --path`);
    return EXIT.failed;
  }
  if (routes.length + leftOut.length === 0) {
    output.note("sallyport: the document has no such operations");
    return EXIT.failed;
  }
  return leftOut.length === 0 ? EXIT.done : EXIT.failed;
}
