import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync } from "node:zlib";
import type { HostileInput, Kind } from "./input.ts";

/** The most expensive inputs that searches have found, one per file. The fields are described in test/README.md, "Benchmarks". */

export const CORPUS_FOLDER = join(import.meta.dir, "../corpus");

/** Long messages are kept if they compress to this size. */
const FILE_BYTES_MAX = 8 * 1024;

/** Bytes, and headers as JSON: packed with brotli, in base64. */
interface CorpusFile {
  readonly name: string;
  readonly kind: Kind;
  readonly bytes: string;
  readonly headers?: string | undefined;
}

export function readCorpus(): HostileInput[] {
  return readdirSync(CORPUS_FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => parse(readFileSync(join(CORPUS_FOLDER, file), "utf8")));
}

function parse(text: string): HostileInput {
  const { name, kind, bytes, headers }: CorpusFile = JSON.parse(text);
  const input = { name, kind, bytes: unpacked(bytes) };
  return headers === undefined ? input : { ...input, headers: JSON.parse(new TextDecoder().decode(unpacked(headers))) };
}

function unpacked(base64: string): Uint8Array {
  return new Uint8Array(brotliDecompressSync(Buffer.from(base64, "base64")));
}

function packed(bytes: Uint8Array | string): string {
  return Buffer.from(brotliCompressSync(bytes)).toString("base64");
}

/** Writes an input to the corpus and returns the file's name; `undefined` if it is too long. */
export function keep({ name, kind, bytes, headers }: HostileInput): string | undefined {
  const file: CorpusFile = { name, kind, bytes: packed(bytes), headers: headers && packed(JSON.stringify(headers)) };
  const content = `${JSON.stringify(file, undefined, 2)}\n`;
  if (content.length > FILE_BYTES_MAX) return undefined;
  const path = `${kind}-${name
    .replace(/[^A-Za-z0-9]+/g, "-")
    .toLowerCase()
    .slice(0, 80)}.json`;
  writeFileSync(join(CORPUS_FOLDER, path), content);
  return path;
}
