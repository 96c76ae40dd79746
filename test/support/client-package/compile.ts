import { join } from "node:path";
import ts from "typescript";

const root = join(import.meta.dir, "../../..");
const source = join(root, "src");
/** Nothing is written to this folder. It is in `root`, because source maps name the sources relative to it. */
const output = join(root, "out");

/** The entry points of the package, by their name in `exports`. */
export const ENTRY_POINTS = { ".": "client/index", "./node": "client/node" } as const;

/** The language and the libraries that the package may use: those of Node 20 and of browsers of 2022. */
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  types: ["node"],
  rootDir: source,
  outDir: output,
  rewriteRelativeImportExtensions: true,
  declaration: true,
  sourceMap: true,
  inlineSources: true,
  newLine: ts.NewLineKind.LineFeed,
  strict: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
  skipLibCheck: true,
};

/** One wrong setting can cause hundreds of messages. */
const PROBLEMS_MAX = 20;

/** The program of the package's sources. Throws the messages of the compiler if it has errors. */
export function clientProgram(): ts.Program {
  const entries = Object.values(ENTRY_POINTS).map((entry) => join(source, `${entry}.ts`));
  const program = ts.createProgram(entries, OPTIONS);
  const problems = ts.getPreEmitDiagnostics(program);
  if (problems.length === 0) return program;
  const host = { getCanonicalFileName: (name: string) => name, getCurrentDirectory: () => root, getNewLine: () => "\n" };
  throw new Error(ts.formatDiagnostics(problems.slice(0, PROBLEMS_MAX), host));
}

/** Compiles the package. Returns its files by path: ES modules, declarations, and source maps that contain the sources. */
export function compileClient(program: ts.Program = clientProgram()): Map<string, string> {
  const files = new Map<string, string>();
  const { emitSkipped } = program.emit(undefined, (path, text) => files.set(path.replace(`${output}/`, ""), text));
  if (emitSkipped) throw new Error("the compiler emitted nothing");
  return files;
}
