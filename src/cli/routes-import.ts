import { ROUTES_MAX } from "../config/routes.ts";
import { absolutePathShown, whyUnreadable } from "../core/file-problem.ts";
import { DOCUMENT_BYTES_MAX, DocumentError, OpenApiDocument } from "../openapi/document.ts";
import { type ImportOptions, type ImportResult, importRoutes } from "../openapi/import.ts";
import { originOf } from "../openapi/servers.ts";
import { UsageError } from "./arguments/parse.ts";
import { CommandFailure, EXIT, type ExitCode } from "./exit-code.ts";
import { requireNew, writeNew } from "./new-file.ts";
import type { Output } from "./output/output.ts";
import { routesToml, shownLoss, shownOperation } from "./routes-toml.ts";
import { SchemaFolder } from "./schema-folder.ts";

export interface ImportFileOptions extends Omit<ImportOptions, "schemaPrefix"> {
  /** The OpenAPI document, or `-` for standard input. */
  readonly file: string;
  /** The new file for the routes. Default: standard output. */
  readonly out: string | undefined;
  /** The folder for the schemas of the payloads. Default: payloads get no schemas. */
  readonly schemas: string | undefined;
}

/**
 * `sallyport routes import`: writes the routes of an OpenAPI document as TOML. Standard error names each operation for which no
 * route was written, with the reason.
 */
export async function importFile({ file, out, schemas, ...options }: ImportFileOptions, output: Output): Promise<ExitCode> {
  const folder = schemas === undefined ? undefined : new SchemaFolder(schemas, out);
  if (options.basePath?.startsWith("/") === false) throw new UsageError("--base-path starts with a slash");
  try {
    const document = await read(file);
    const result = importRoutes(document, { ...options, schemaPrefix: folder?.prefix });
    const files = result.routes.flatMap(({ schema }) => (schema === undefined ? [] : [schema]));
    const toml = routesToml(result, { file, origin: originOf(document) });
    if (out !== undefined) requireNew(out);
    folder?.requireNew(files);
    folder?.write(files);
    if (out === undefined) await output.write(toml);
    else writeNew(out, toml);
    return report(result, output, folder === undefined ? undefined : files.length);
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

function report({ routes, leftOut }: ImportResult, output: Output, schemas: number | undefined): ExitCode {
  for (const { operation, reason } of leftOut) output.note(`sallyport: left out: ${shownOperation(operation)}: ${reason}`);
  for (const { operation, losses } of routes)
    for (const loss of losses) output.note(`sallyport: not in the schema: ${shownOperation(operation)}: ${shownLoss(loss)}`);
  const withSchemas = schemas === undefined ? "" : `, ${schemas} with a schema`;
  output.note(`sallyport: imported ${routes.length} of ${routes.length + leftOut.length} operations${withSchemas}`);
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
