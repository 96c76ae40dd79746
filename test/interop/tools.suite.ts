import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWorld, type World } from "../support/world.ts";
import { outcomeOf, runToEnd } from "./run-to-end.ts";
import { goTool, npmTool, PREPARE_TIMEOUT_MS, protoc } from "./toolchain.ts";

const PROTO = join(import.meta.dir, "../../proto");
const EXECUTE = "sallyport.v1.Gateway/ExecuteCommand";
const METHODS = [
  EXECUTE,
  "sallyport.v1.Gateway/SubscribeEvents",
  "sallyport.v1.Gateway/FetchEvents",
  "grpc.health.v1.Health/Check",
];

/** Common gRPC and Connect tools. They use only reflection, health and the proto files. */
export function toolSuite(): void {
  let world: World;
  let grpcHost: string;
  beforeAll(async () => {
    world = await openWorld({ "reflection.enabled": true });
    grpcHost = new URL(world.gateway.grpcUrl).host;
  });
  afterAll(() => world.close());

  describe("grpcurl", () => {
    let path: string;
    const grpcurl = (...args: string[]) => outcomeOf([path, "-plaintext", ...args]);
    beforeAll(async () => {
      path = await goTool("github.com/fullstorydev/grpcurl/cmd/grpcurl", "v1.9.4");
    }, PREPARE_TIMEOUT_MS);

    test("lists the services and describes a message", async () => {
      expect((await grpcurl(grpcHost, "list")).stdout.split("\n")).toContain("sallyport.v1.Gateway");
      const described = await grpcurl(grpcHost, "describe", "sallyport.v1.RequestEnvelope");
      expect(described.stdout).toContain("bytes payload_hash = 6;");
    });

    test("shows the reason of a refusal", async () => {
      const { stderr } = await grpcurl("-format-error", "-d", "{}", grpcHost, EXECUTE);
      expect(JSON.parse(stderr)).toMatchObject({
        code: 3,
        details: [{ reason: "MALFORMED_ENVELOPE", domain: "sallyport.v1", metadata: { field: "envelope" } }],
      });
    });
  });

  describe("buf curl", () => {
    const curl = (...args: string[]) => outcomeOf([npmTool("buf"), "curl", ...args]);
    const PROTOCOLS = [
      { name: "Connect over HTTP/1.1", listener: "edge", args: ["--schema", PROTO] },
      { name: "Connect over HTTP/2", listener: "edge", args: ["--http2-prior-knowledge"] },
      { name: "gRPC-Web", listener: "edge", args: ["--protocol", "grpcweb", "--http2-prior-knowledge"] },
      { name: "gRPC", listener: "grpc", args: ["--protocol", "grpc", "--http2-prior-knowledge"] },
    ] as const;
    const urlFor = (listener: "edge" | "grpc") => (listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl);

    test.each(PROTOCOLS)("shows a refusal over $name", async ({ listener, args }) => {
      const { stderr } = await curl(...args, "-d", "{}", `${urlFor(listener)}/${EXECUTE}`);
      expect(JSON.parse(stderr)).toMatchObject({ code: "invalid_argument", details: [{ type: "google.rpc.ErrorInfo" }] });
    });

    test.each(["edge", "grpc"] as const)("lists the methods by reflection on the %s listener", async (listener) => {
      const protocol = listener === "grpc" ? "grpc" : "connect";
      const { stdout } = await curl("--protocol", protocol, "--http2-prior-knowledge", "--list-methods", urlFor(listener));
      expect(stdout.split("\n")).toEqual(expect.arrayContaining(METHODS));
    });
  });

  describe("protoc", () => {
    const protos = ["sallyport/v1/gateway.proto", "sallyport/v1/push.proto"];

    test.each(["csharp", "go", "java", "kotlin", "objc", "php", "python", "ruby"])(
      "generates %s from the proto files without flags",
      async (language) => {
        const out = await mkdtemp(join(tmpdir(), "sallyport-protoc-"));
        try {
          await protoc(["-I", PROTO, `--${language}_out=${out}`, ...protos]);
          const files = [...new Bun.Glob("**/*").scanSync(out)];
          expect(files.length).toBeGreaterThan(0);
        } finally {
          await rm(out, { recursive: true });
        }
      },
      PREPARE_TIMEOUT_MS,
    );
  });

  describe("grpc-health-probe", () => {
    let path: string;
    beforeAll(async () => {
      path = await goTool("github.com/grpc-ecosystem/grpc-health-probe", "v0.4.61");
    }, PREPARE_TIMEOUT_MS);

    test("reports the server and the Gateway service as healthy", async () => {
      await runToEnd([path, "-addr", grpcHost]);
      await runToEnd([path, "-addr", grpcHost, "-service", "sallyport.v1.Gateway"]);
    });

    test("fails for an unknown service", async () => {
      expect((await outcomeOf([path, "-addr", grpcHost, "-service", "sallyport.v1.Unknown"])).code).not.toBe(0);
    });
  });
}
