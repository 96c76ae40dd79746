import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { BrowserPage } from "../browser/support/browser-page.ts";
import { launchChromium } from "../browser/support/chromium.ts";
import { CLIENT_PACKAGE, packClient } from "../support/client-package/pack.ts";
import { outboxCode } from "../support/email-code.ts";
import { openWorld, type World } from "../support/world.ts";
import { foreignSources, gzipBytes } from "./bundle-report.ts";
import { Project } from "./project.ts";

/** The package as its users get it: installed by npm into empty projects, and run there against a real gateway. */

const IS_ASKED = process.env["PACKAGE"] !== undefined;
const NAME = "the installed package";
const INSTALL_TIMEOUT_MS = 180_000;
const WHOLE_BYTES_MAX = 36 * 1024;

/** Exact versions, so that a release of somebody else does not change what the tests say. */
const TYPESCRIPTS = ["5.7.3", "6.0.3", "7.0.2"] as const;
const BUNDLERS = ["vite@8.3.8", "esbuild@0.28.2", "webpack@5.112.2"] as const;

const SESSION = { first: "gateway.server_time", sent: "ok", received: "hello" };

describe.skipIf(!IS_ASKED)(IS_ASKED ? NAME : `${NAME} (skipped: set PACKAGE=1; it needs npm and its registry)`, () => {
  beforeAll(async () => {
    await Bun.write(CLIENT_PACKAGE, await packClient());
  });

  describe("in a project of ES modules", () => {
    let project: Project;
    let world: World;
    beforeAll(async () => {
      [project, world] = await Promise.all([Project.install(CLIENT_PACKAGE), openWorld()]);
    }, INSTALL_TIMEOUT_MS);
    afterAll(async () => {
      project?.remove();
      await world?.close();
    });

    test.each([["node"], [process.execPath]])("%s logs in, executes and receives", async (runtime) => {
      const { edgeUrl } = world.gateway;
      const out = await project.run(runtime, "command-line.mjs", edgeUrl, world.backend.restUrl);
      expect(JSON.parse(out)).toMatchObject(SESSION);
    });

    test("nothing but the package and the libraries of its manifest is installed", async () => {
      const list: { dependencies: Record<string, Tree> } = JSON.parse(await project.run("npm", "ls", "--all", "--json"));
      expect(namesIn(list.dependencies)).toEqual([
        "@bufbuild/protobuf",
        "@connectrpc/connect",
        "@noble/ed25519",
        "@noble/hashes",
        "sallyport-client",
      ]);
    });

    test("a path that the manifest does not export cannot be imported", async () => {
      const importing = project.run("node", "-e", 'import("sallyport-client/dist/client/retry.js")');
      expect(await importing.catch(String)).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
    });
  });

  describe.each(TYPESCRIPTS)("compiles with TypeScript %s", (version) => {
    let project: Project;
    beforeAll(async () => {
      project = await Project.install(CLIENT_PACKAGE, `typescript@${version}`, "@types/node@20.19.25");
      project.write("app.ts", TYPED_APP);
    }, INSTALL_TIMEOUT_MS);
    afterAll(() => project?.remove());

    test.each([
      ["nodenext", "nodenext"],
      ["bundler", "esnext"],
    ])(
      "moduleResolution %s, with every strict option",
      async (moduleResolution, module) => {
        const flags = [
          "strict",
          "exactOptionalPropertyTypes",
          "noPropertyAccessFromIndexSignature",
          "noUncheckedIndexedAccess",
        ];
        const options = [...flags, "verbatimModuleSyntax", "isolatedModules", "noEmit"].flatMap((flag) => [
          `--${flag}`,
          "true",
        ]);
        const where = ["--module", module, "--moduleResolution", moduleResolution, "--target", "es2022", "--types", "node"];
        await project.run("node_modules/.bin/tsc", ...where, ...options, "--skipLibCheck", "false", "app.ts");
      },
      60_000,
    );
  });

  test(
    "its types refuse a wrong option",
    async () => {
      const project = await Project.install(CLIENT_PACKAGE, `typescript@${TYPESCRIPTS.at(-1)}`);
      project.write("wrong.ts", 'import { SallyportClient } from "sallyport-client";\nnew SallyportClient({ baseUrl: 7 });\n');
      const compiled = project.run("node_modules/.bin/tsc", "--module", "nodenext", "--strict", "true", "--noEmit", "wrong.ts");
      expect(await compiled.catch(String)).toContain("wrong.ts(2,");
      project.remove();
    },
    INSTALL_TIMEOUT_MS,
  );

  describe("bundled for browsers", () => {
    let project: Project;
    beforeAll(async () => {
      project = await Project.install(CLIENT_PACKAGE, ...BUNDLERS);
      await project.run("node", "bundle.mjs");
    }, INSTALL_TIMEOUT_MS);
    afterAll(() => project?.remove());

    test.each(["vite", "esbuild", "webpack"])(
      "by %s runs in Chromium, with no file of the server",
      async (bundler) => {
        const folder = join(project.folder, "out", bundler);
        const { sources, foreign } = await foreignSources(folder, /(?:page|session)\.js$|^webpack:\/\/\/?webpack\/|vite\/|^\0/);
        expect(sources).toBeGreaterThan(40);
        expect(foreign).toEqual([]);
        const pages = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => fileOf(folder, request) });
        const [world, browser] = await Promise.all([openWorld({ "cors.origins": [pages.url.origin] }), launchChromium()]);
        try {
          const page = await BrowserPage.open<PageEntry>(browser, pages.url.href);
          const baseUrl = world.gateway.edgeUrl;
          const challengeId = await page.call("startLogin", baseUrl, `${bundler}@example.com`);
          const code = await outboxCode(world.backend.restUrl, challengeId);
          expect(await page.call("run", baseUrl, challengeId, code)).toMatchObject(SESSION);
          expect(page.errors()).toEqual([]);
        } finally {
          await browser.close();
          await Promise.all([world.close(), pages.stop(true)]);
        }
        process.stdout.write(`${bundler}: page.js has ${await gzipBytes(join(folder, "page.js"))} bytes gzipped\n`);
      },
      60_000,
    );

    test("the whole client without noble has at most 36 KB gzipped", async () => {
      const bytes = await gzipBytes(join(project.folder, "out/whole/page.js"));
      process.stdout.write(`esbuild: the whole client without noble has ${bytes} bytes gzipped\n`);
      expect(bytes).toBeLessThanOrEqual(WHOLE_BYTES_MAX);
    });
  });
});

interface Tree {
  readonly dependencies?: Record<string, Tree>;
}

function namesIn(tree: Record<string, Tree> = {}): string[] {
  const names = Object.entries(tree).flatMap(([name, { dependencies }]) => [name, ...namesIn(dependencies)]);
  return [...new Set(names)].sort();
}

interface PageEntry {
  startLogin(baseUrl: string, email: string): Promise<string>;
  run(baseUrl: string, challengeId: string, code: string): Promise<unknown>;
}

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>test page</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script></html>`;

function fileOf(folder: string, { url }: Request): Response {
  const { pathname } = new URL(url);
  return pathname === "/"
    ? new Response(PAGE, { headers: { "content-type": "text/html; charset=utf-8" } })
    : new Response(Bun.file(join(folder, pathname)));
}

/** A program that uses each part of the API with the strictest types. */
const TYPED_APP = `
import {
  type CommandResult, confirmEmailCode, type CredentialStore, type DeviceKey, type ExecuteOptions, GatewayError, GatewayKeys,
  generateDeviceKey, indexedDbStore, memoryStore, SallyportClient, SallyportError, sendEmailCode, type VerifiedEvent,
} from "sallyport-client";
import { fileStore } from "sallyport-client/node";

const baseUrl = "https://gateway.example";
const { challengeId } = await sendEmailCode({ baseUrl, email: "ada@example.com", metadata: { app: "1" } });
const hardware: DeviceKey = { algorithm: "ES256", publicKey: new Uint8Array(65), sign: async (message) => message };
const deviceKey: DeviceKey = Math.random() > 2 ? hardware : await generateDeviceKey({ algorithms: ["ES256"] });
const credentials = await confirmEmailCode({ baseUrl, challengeId, code: "123456", deviceKey });
const stores: CredentialStore[] = [memoryStore(), indexedDbStore({ name: "x" }), fileStore("session.json")];
for (const store of stores) await store.save(credentials);
const keys = new GatewayKeys(baseUrl, { pinnedKeyIds: ["x"] });
const client = new SallyportClient({ baseUrl, credentials, keys, fetch: (url, init) => fetch(url, init), retry: { attemptsMax: 3 } });
const options: ExecuteOptions = { idempotencyKey: "order-000001", timeoutMs: 5000, signal: AbortSignal.timeout(9), headers: { a: "b" } };
const undefinedOptions: ExecuteOptions = { idempotencyKey: undefined, signal: undefined };
const result: CommandResult = await client.execute("a.b", { n: [1, null, "x"] }, Math.random() > 2 ? options : undefinedOptions);
const replayed: boolean = result.replayed;
const signedAtMs: number = result.evidence.timestampMs;
const subscription = client.subscribe({ resumeAfter: undefined, signal: AbortSignal.timeout(9) });
for await (const { kind, eventType } of subscription) console.log(kind === "resync" ? "fetch again" : eventType);
const events: AsyncIterable<VerifiedEvent> = client.openStream({ resumeAfter: undefined });
for await (const { eventId } of events) console.log(eventId.length, replayed, signedAtMs);
const fetched: VerifiedEvent[] = await client.fetchEvents({ waitMs: 0 });
try {
  await client.executeSigned(await client.sign("a.b", new Uint8Array()));
} catch (error) {
  if (error instanceof GatewayError) console.log(error.metadata["scope"], error.code.toUpperCase(), fetched.length);
  else if (error instanceof SallyportError) console.log(error.retryable, error.retryAfterMs?.toFixed());
}
export {};
`;
