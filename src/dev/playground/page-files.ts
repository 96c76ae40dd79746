import type { HTMLBundle } from "bun";
import page from "./page/index.html";

/** One file of the page, as it is served. */
export interface PageFile {
  /** The path in the URL: `/` for the HTML document, and `/playground/NAME-HASH.EXT` for a file that the document loads. */
  readonly path: string;
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A file with the name that the bundler gave it. */
interface BundledFile {
  readonly name: string;
  readonly contentType: string;
  readonly isDocument: boolean;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const FOLDER = "/playground/";

/**
 * Returns the files of the page: the document first, then the files that it loads. The executable contains these files.
 * If the gateway runs from the sources, this call builds them in about 100 ms. Throws the errors of the bundler.
 */
export async function pageFiles(): Promise<readonly PageFile[]> {
  const files = await (page.files === undefined ? bundled(page.index) : embedded(page.files));
  const assets = files.filter(({ isDocument }) => !isDocument);
  const documents = files.filter(({ isDocument }) => isDocument);
  return [
    ...documents.map((file) => ({ path: "/", contentType: file.contentType, bytes: withPaths(file, assets) })),
    ...assets.map(({ name, contentType, bytes }) => ({ path: FOLDER + name, contentType, bytes })),
  ];
}

/** Reads the bundle that `bun run build` put into the executable. */
function embedded(files: NonNullable<HTMLBundle["files"]>): Promise<BundledFile[]> {
  return Promise.all(
    files.map(async ({ path, loader, headers }) => ({
      name: nameOf(path),
      contentType: headers["content-type"],
      isDocument: loader === "html",
      bytes: await Bun.file(path).bytes(),
    })),
  );
}

async function bundled(entry: string): Promise<BundledFile[]> {
  const { outputs } = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    format: "esm",
    minify: true,
    publicPath: "/",
  });
  return Promise.all(
    outputs.map(async (output) => ({
      name: nameOf(output.path),
      contentType: output.type,
      isDocument: output.path.endsWith(".html"),
      bytes: new Uint8Array(await output.arrayBuffer()),
    })),
  );
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Returns the document with a path for each asset. The bundler writes only a file name, but assets are served below `FOLDER`. */
function withPaths(document: BundledFile, assets: readonly BundledFile[]): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(document.bytes);
  return new TextEncoder().encode(
    assets.reduce((html, { name }) => html.replaceAll(`="/${name}"`, `="${FOLDER}${name}"`), text),
  );
}
