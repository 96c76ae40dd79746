import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SallyportClient } from "../../../src/client/client.ts";
import { refusalOf } from "../../../src/client/errors.ts";
import type { Payload } from "../../../src/client/payload.ts";
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

/** A refusal of the gateway, with the place of the wrong value in the payload. */
export interface Refused {
  readonly reason: string | undefined;
  readonly pointer: string | undefined;
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

  /** Imports the document, and starts the gateway with the file as it was written. `options`: further ones of the import. */
  static async start(document: string, options = ""): Promise<ImportedGateway> {
    const shell = new Shell();
    const imported = await shell.run(`sallyport routes import '${document}' --out routes.toml ${options}`);
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

  /**
   * Calls a route with a wrong value in one field of its body: in a parameter if the body has no field with a simple type, or as the
   * whole body if there is no parameter either. Resolves to the refusal, beside the place of the wrong value.
   */
  async violate(route: RouteConfig): Promise<{ readonly refusal: Refused | undefined; readonly place: string }> {
    const { wrongField, examples, body } = this.operationOf(route);
    const [parameter] = variablesOf(route.path);
    if (wrongField !== undefined) {
      const [name, value] = wrongField;
      const payload = this.payloadOf(route, { ...Object(body), [name]: value });
      return { refusal: await this.refusalOf(route.message_type, payload), place: `${bodyPlace(route)}/${name}` };
    }
    if (parameter === undefined) return { refusal: await this.refusalOf(route.message_type, 7), place: "" };
    const payload = { ...Object(this.payloadOf(route, examples[0] ?? body)), [parameter]: ["not", "valid"] };
    return { refusal: await this.refusalOf(route.message_type, payload), place: `/${parameter}` };
  }

  /** Sends a payload. Resolves to the refusal, or to `undefined` if the service got the call. Throws an error if both are true. */
  async refusalOf(messageType: string, payload: Payload): Promise<Refused | undefined> {
    this.#service.last = undefined;
    const error: unknown = await this.#client.execute(messageType, payload).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if ((error === undefined) !== (this.#service.last !== undefined)) throw new Error(`${messageType}: ${error}`);
    if (error === undefined) return undefined;
    const { reason, metadata } = refusalOf(error) ?? {};
    return { reason, pointer: metadata?.["pointer"] };
  }

  /** Calls a route as the document describes its operation. `body`: another body than the one of the description. */
  async call(route: RouteConfig, body: unknown = this.operationOf(route).body): Promise<CheckedCall> {
    const operation = this.operationOf(route);
    const { query, rawTypes } = operation;
    const payload = this.payloadOf(route, body);
    this.#service.last = undefined;
    const { resultCode, payloadBytes } = await this.#client.execute(route.message_type, payload);
    const pairs = query.flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)]));
    const json = route.body === undefined || route.body === "" ? undefined : (body ?? {});
    const path = Object.fromEntries(valuesOf(operation).map(([name, value]) => [name, String(value)]));
    const sent = rawTypes[0] === undefined ? json : { type: rawTypes[0], bytes: body };
    return {
      messageType: route.message_type,
      resultCode,
      expected: { operation: `${operation.method} ${operation.path}`, path, query: pairs, body: sent },
      served: this.served(),
      isAnswered: isAnswerOf(operation, payloadBytes),
    };
  }

  /** The payload of a route with this body, and with valid parameters. */
  payloadOf(route: RouteConfig, body: unknown): Payload {
    const operation = this.operationOf(route);
    const values = valuesOf(operation);
    const fields = variablesOf(route.path).map((field, index) => [field, values[index]?.[1]]);
    if (body instanceof Uint8Array) return body;
    if (route.body === "*" && fields.length === 0) return isPayload(body) ? body : {};
    const inBody = route.body === "*" ? body : { [route.body ?? ""]: body };
    const bodyFields = body === undefined ? {} : inBody;
    return { ...Object.fromEntries(fields), ...Object.fromEntries(operation.query), ...Object(bodyFields) };
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

  /** The operation of a route. */
  operationOf({ method, path }: RouteConfig): DescribedOperation {
    const shape = (each: string) => each.replace(/\{[^}]*\}/g, "{}");
    const found = this.#description.operations.find((each) => each.method === method && shape(each.path) === shape(path));
    if (found === undefined) throw new Error(`no operation has the call ${method} ${path}`);
    return found;
  }

  /** What the service got with the last call, or `undefined` if no call reached it. */
  served(): unknown {
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

/** The JSON pointer of the body in the payload. */
function bodyPlace({ body }: RouteConfig): string {
  return body === "*" ? "" : `/${body}`;
}

function isPayload(value: unknown): value is Payload {
  return typeof value === "object" && value !== null;
}

/** The values of the variables. The last one has two segments if it may have several. */
function valuesOf({ variables, lastIsDeep }: DescribedOperation): [string, unknown][] {
  return variables.map(([name, value], index) => [
    name,
    lastIsDeep && index === variables.length - 1 ? `${value}/part` : value,
  ]);
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
