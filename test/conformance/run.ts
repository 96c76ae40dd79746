/**
 * `bun run conformance` runs connectrpc's conformance suite against this server. The runner comes from the Go module proxy. The runner and the
 * generated messages are kept in the ignored folder .cache/conformance.
 *
 * The suite runs twice: with HTTP/2 on the edge, and with all HTTP/2 on the gRPC listener. The exit code is 1 if a case fails. Arguments are
 * passed to the runner: `--run PATTERN`, `-vv`.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

const VERSION = "v1.0.5";
const MODULE = "connectrpc.com/conformance";
const root = join(import.meta.dir, "../..");
const cache = join(root, ".cache/conformance");
const runner = join(cache, `connectconformance-${VERSION}`);

async function run(command: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): Promise<string> {
  const env = { ...process.env, ...options.env };
  const child = Bun.spawn([...command], { cwd: options.cwd ?? root, env, stdout: "pipe", stderr: "inherit" });
  const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(" ")} exited with ${code}\n${output}`);
  return output;
}

async function installRunner(): Promise<void> {
  if (existsSync(runner)) return;
  await mkdir(cache, { recursive: true });
  console.log(`installing ${MODULE} ${VERSION}`);
  await run(["go", "install", `${MODULE}/cmd/connectconformance@${VERSION}`], { env: { GOBIN: cache } });
  await run(["mv", join(cache, "connectconformance"), runner]);
}

/** Generates the suite's messages from the downloaded module, so that both have the same version. */
async function generate(): Promise<void> {
  if (existsSync(join(cache, "gen"))) return;
  const { Dir } = JSON.parse(await run(["go", "mod", "download", "-json", `${MODULE}@${VERSION}`], { cwd: cache }));
  const plugin = { local: "protoc-gen-es", out: join(cache, "gen"), opt: ["target=js+dts"] };
  await run(["buf", "generate", join(Dir, "proto"), "--template", JSON.stringify({ version: "v2", plugins: [plugin] })]);
}

/** Resolves to the number of passed cases. */
async function suite(args: readonly string[], serverArgs: readonly string[]): Promise<number> {
  const server = [process.execPath, join(import.meta.dir, "server.ts"), ...serverArgs];
  const config = join(import.meta.dir, "features.yaml");
  const child = Bun.spawn([runner, "--mode", "server", "--conf", config, "-v", ...args, "--", ...server], {
    cwd: root,
    stdout: "pipe",
    stderr: "inherit",
  });
  const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  const [summary = "", passed = "0", failed = "0"] = /(\d+) passed, (\d+) failed.*/.exec(output) ?? [];
  console.log(code === 0 ? summary : output);
  if (code !== 0 || Number(failed) > 0) throw new Error(`the suite failed (exit code ${code})`);
  return Number(passed);
}

async function main(args: readonly string[]): Promise<void> {
  if (Bun.which("go") === null) throw new Error("the conformance suite needs go on the PATH: install Go 1.22 or newer");
  await installRunner();
  await generate();
  await run(["bun", "check", "--no-script", "-p", join(import.meta.dir, "tsconfig.json")]);
  console.log("HTTP/2 on the edge, gRPC on the gRPC listener:");
  const edge = await suite(args, []);
  console.log("HTTP/2 on the gRPC listener:");
  const node = await suite(args, ["--h2=node"]);
  console.log(`${edge + node} passed, 0 failed`);
}

await main(process.argv.slice(2));
