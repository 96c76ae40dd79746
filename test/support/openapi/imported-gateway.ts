import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SallyportClient } from "../../../src/client/client.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { RouteConfig } from "../../../src/config/route-config.ts";
import { startDevBackend } from "../../../src/dev/backend.ts";
import { Shell, type ShellResult } from "../cli/shell.ts";
import { ROOMY_BUDGETS } from "../gateway-process.ts";
import { type Command, runCommand } from "../process.ts";
import { ANY_PORTS, SEED } from "../serve-settings.ts";
import { SILENT_LOG } from "../silent-log.ts";
import { TEST_WORKERS } from "../test-gateway.ts";
import { until } from "../until.ts";
import { login } from "../world.ts";
import { DescribedService } from "./described-service.ts";
import { ALL_BYTES, type DescribedOperation, Description } from "./description.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };
const START_MS = 30_000;

/** A call through the gateway, beside what the service got. */
export interface CheckedCall {
  readonly messageType: string;
  readonly resultCode: string;
  readonly expected: unknown;
  readonly served: unknown;
  /** Whether the client got the bytes of the service if the answer is no JSON, otherwise the answer of its operation. */
  readonly isAnswered: boolean;
}

/** `sallyport serve` with the routes that `sallyport routes import` wrote, in front of a service that answers by the same document. */
export class ImportedGateway {
  readonly routes: readonly RouteConfig[];
  readonly imported: ShellResult;
  readonly #shell: Shell;
  readonly #description: Description;
  readonly #service: DescribedService;
  readonly #client: SallyportClient;
  readonly #close: () => Promise<void>;

  private constructor(parts: {
    readonly routes: readonly RouteConfig[];
    readonly imported: ShellResult;
    readonly shell: Shell;
    readonly description: Description;
    readonly service: DescribedService;
    readonly client: SallyportClient;
    readonly close: () => Promise<void>;
  }) {
    this.routes = parts.routes;
    this.imported = parts.imported;
    this.#shell = parts.shell;
    this.#description = parts.description;
    this.#service = parts.service;
    this.#client = parts.client;
    this.#close = parts.close;
  }

  /** Imports the document, and starts the gateway with the file as it was written. */
  static async start(document: string): Promise<ImportedGateway> {
    const shell = new Shell();
    const imported = await shell.run(`sallyport routes import '${document}' --out routes.toml`);
    const file = join(shell.folder, "routes.toml");
    const { routes } = loadConfig({ argv: ["--config", file], env: {} });
    writeFileSync(join(shell.folder, "current.key"), SEED, { mode: 0o600 });
    const description = new Description(document);
    const service = new DescribedService(description);
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    service.sessions = backend.restUrl;
    const settings = Object.entries({
      ...{ "backend.url": service.url, "push.url": backend.pushUrl, "keys.current_file": join(shell.folder, "current.key") },
      ...{ ...ROOMY_BUDGETS, "workers.count": String(TEST_WORKERS) },
    }).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const gateway = runCommand(["serve", "--config", file, ...ANY_PORTS, ...settings]);
    const close = async () => {
      gateway.kill("SIGTERM");
      await gateway.exited;
      await Promise.all([service.stop(), backend.stop()]);
      shell.close();
    };
    try {
      const baseUrl = await edgeOf(gateway);
      const device = await login(baseUrl, backend.restUrl, "developer@example.com");
      const client = new SallyportClient({ baseUrl, credentials: device });
      return new ImportedGateway({ routes, imported, shell, description, service, client, close });
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Calls a route as the document describes its operation. */
  async call(route: RouteConfig): Promise<CheckedCall> {
    const operation = this.#operationOf(route);
    const path = Object.fromEntries(
      operation.pathNames.map((name, index) => {
        const isDeep = operation.lastIsDeep && index === operation.pathNames.length - 1;
        return [name, isDeep ? `v-${name}/part` : `v-${name}`];
      }),
    );
    const fields = variablesOf(route.path).map((field, index) => [field, path[operation.pathNames[index] ?? ""]]);
    const query = operation.query.map(({ name, isList }) => [name, isList ? [`q-${name}`, "second"] : `q-${name}`] as const);
    const inBody = route.body === "*" ? operation.body : { [route.body ?? ""]: operation.body };
    const body = operation.body === undefined ? {} : inBody;
    const isVerbatim = route.body === "*" && fields.length === 0;
    const fieldsOfAll = { ...Object.fromEntries(fields), ...Object.fromEntries(query), ...Object(body) };
    const payload = operation.body instanceof Uint8Array ? operation.body : isVerbatim ? body : fieldsOfAll;
    this.#service.last = undefined;
    const { resultCode, payloadBytes } = await this.#client.execute(route.message_type, payload);
    const pairs = query.flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
    const [type] = operation.rawTypes;
    const json = route.body === undefined || route.body === "" ? undefined : (operation.body ?? {});
    const sent = type === undefined ? json : { type, bytes: operation.body };
    return {
      messageType: route.message_type,
      resultCode,
      expected: { operation: `${operation.method} ${operation.path}`, path, query: pairs, body: sent },
      served: this.#served(),
      isAnswered: isAnswerOf(operation, payloadBytes),
    };
  }

  /** The routes as `sallyport routes` prints them. Also checks the file with `sallyport config check`. */
  async report(): Promise<readonly { readonly message_type: string; readonly payload: string }[]> {
    const needed = "--set backend.url=http://127.0.0.1:9 --set push.url=http://127.0.0.1:9 --set keys.current_file=current.key";
    const checked = await this.#shell.run(`sallyport config check routes.toml ${needed}`);
    if (checked.code !== 0) throw new Error(checked.out + checked.err);
    const { out } = await this.#shell.run("sallyport routes routes.toml --json");
    const { routes } = JSON.parse(out);
    return routes;
  }

  close(): Promise<void> {
    return this.#close();
  }

  #operationOf({ method, path }: RouteConfig): DescribedOperation {
    const shape = (each: string) => each.replace(/\{[^}]*\}/g, "{}");
    const found = this.#description.operations.find((each) => each.method === method && shape(each.path) === shape(path));
    if (found === undefined) throw new Error(`no operation has the call ${method} ${path}`);
    return found;
  }

  #served(): unknown {
    if (this.#service.last === undefined) return undefined;
    const { operation, path, query, body } = this.#service.last;
    return { operation: `${operation.method} ${operation.path}`, path, query, body };
  }
}

function isAnswerOf({ answerType, status, method, path }: DescribedOperation, payload: Uint8Array): boolean {
  if (status === 204 || status === 205) return payload.byteLength === 0;
  const expected = answerType === undefined ? Buffer.from(JSON.stringify({ served: `${method} ${path}` })) : ALL_BYTES;
  return Buffer.from(payload).equals(expected);
}

function variablesOf(path: string): string[] {
  return [...path.matchAll(/\{([^}=]+)/g)].map(([, name = ""]) => name);
}

async function edgeOf(gateway: Command): Promise<string> {
  await until(
    () => gateway.stdout().includes('"push feed up"'),
    `the gateway: ${gateway.stdout()}${gateway.stderr()}`,
    START_MS,
  );
  const started = gateway
    .stdout()
    .split("\n")
    .find((line) => line.includes('"edge":'));
  const { edge }: { edge: string } = JSON.parse(started ?? "{}");
  return edge;
}
