/**
 * Builds the programs in other languages. Every dependency has a pinned version and comes from the package registry of its language. The
 * results go to the ignored folder .cache/interop; a later build takes about a second.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { runToEnd } from "./run-to-end.ts";

/** The first download and compilation take one to two minutes. */
export const PREPARE_TIMEOUT_MS = 600_000;

const here = import.meta.dir;
const root = join(here, "../..");
const cache = join(root, ".cache/interop");
const bin = join(cache, "bin");
const venv = join(cache, "venv");
const goFolder = join(here, "go");
const withBin = { PATH: [bin, join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter) };

/** Builds the Go client. Resolves to its command line. */
export function goClient(): Promise<readonly string[]> {
  return goProgram("go-client", ".");
}

/** Builds the push feed on grpc-go. Resolves to its command line. */
export function goFeed(): Promise<readonly string[]> {
  return goProgram("go-feed", "./feed");
}

let generated: Promise<void> | undefined;

async function goProgram(name: string, folder: string): Promise<readonly string[]> {
  requireProgram("go", "Go 1.26 or newer");
  const program = join(bin, name);
  generated ??= generateGo();
  await generated;
  await runToEnd(["go", "vet", folder], { cwd: goFolder });
  await runToEnd(["go", "build", "-o", program, folder], { cwd: goFolder });
  return [program];
}

/** Generates the Go code. The versions of the generators are those of go.mod, so they match the libraries. */
async function generateGo(): Promise<void> {
  await runToEnd(["go", "install", "tool"], { cwd: goFolder, env: { GOBIN: bin } });
  const template = join(here, "buf.gen.yaml");
  await runToEnd(["buf", "generate", "--template", template, "--path", "sallyport"], {
    cwd: join(root, "proto"),
    env: withBin,
  });
}

/** Resolves to the command line of the Python client. */
export function pythonClient(): Promise<readonly string[]> {
  return pythonProgram("client.py");
}

/** Installs the dependencies of the Python programs and generates their code. Resolves to the command line of the program in `file`. */
export async function pythonProgram(file: string): Promise<readonly string[]> {
  requireProgram("python3", "Python 3.10 or newer");
  const python = join(venv, "bin/python");
  const requirements = join(here, "python/requirements.txt");
  await installRequirements(python, requirements);
  const gen = join(cache, "python");
  await mkdir(gen, { recursive: true });
  const out = [`--python_out=${gen}`, `--grpc_python_out=${gen}`];
  await runToEnd([python, "-m", "grpc_tools.protoc", "-I", join(root, "proto"), ...out, "sallyport/v1/gateway.proto"]);
  return ["env", `PYTHONPATH=${gen}`, "PYTHONDONTWRITEBYTECODE=1", python, join(here, "python", file)];
}

/** Runs protoc with protoc-gen-go on its PATH. */
export async function protoc(args: readonly string[]): Promise<void> {
  requireProgram("go", "Go 1.26 or newer");
  requireProgram("protoc", "protoc 3.21 or newer (Debian: protobuf-compiler)");
  await runToEnd(["go", "install", "tool"], { cwd: join(here, "go"), env: { GOBIN: bin } });
  await runToEnd(["protoc", ...args], { env: withBin });
}

/** Installs what the example backend needs, and returns how to start it. */
export async function pythonBackend(): Promise<readonly string[]> {
  requireProgram("python3", "Python 3.10 or newer");
  const python = join(venv, "bin/python");
  await installRequirements(python, join(here, "python/requirements.txt"));
  return ["env", "PYTHONDONTWRITEBYTECODE=1", python, join(root, "proto/examples/backend.py")];
}

/** Skips pip, which takes a second, if the requirements are those of the last installation. */
async function installRequirements(python: string, requirements: string): Promise<void> {
  const wanted = await Bun.file(requirements).text();
  const installed = Bun.file(join(venv, "installed.txt"));
  if ((await installed.exists()) && (await installed.text()) === wanted) return;
  await runToEnd(["python3", "-m", "venv", "--clear", venv]);
  await runToEnd([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]);
  await installed.write(wanted);
}

/** Installs a program of a Go module. Resolves to its path. */
export async function goTool(path: string, version: string): Promise<string> {
  requireProgram("go", "Go 1.26 or newer");
  const folder = join(bin, version);
  const program = join(folder, path.split("/").at(-1) ?? path);
  if (!existsSync(program)) await runToEnd(["go", "install", `${path}@${version}`], { env: { GOBIN: folder } });
  return program;
}

/** Gets the OpenAPI document of GitHub's REST API from its npm package. Resolves to its path. */
export async function githubDescription(): Promise<string> {
  requireProgram("npm", "Node.js 20 or newer");
  const folder = join(cache, "openapi-23.0.2");
  const file = join(folder, "package/generated/api.github.com.json");
  if (existsSync(file)) return file;
  await mkdir(folder, { recursive: true });
  await runToEnd(["npm", "pack", "@octokit/openapi@23.0.2", "--silent", "--pack-destination", folder]);
  await runToEnd([
    "tar",
    "-xzf",
    join(folder, "octokit-openapi-23.0.2.tgz"),
    "-C",
    folder,
    "package/generated/api.github.com.json",
  ]);
  return file;
}

/** The path of a program from this project's npm dependencies. */
export function npmTool(name: string): string {
  return join(root, "node_modules/.bin", name);
}

function requireProgram(program: string, whatToInstall: string): void {
  if (Bun.which(program) === null) throw new Error(`INTEROP=1 needs ${program} on the PATH: install ${whatToInstall}`);
}
