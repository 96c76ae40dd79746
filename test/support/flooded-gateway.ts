import { create, toBinary } from "@bufbuild/protobuf";
import type { ConfigKey } from "../../src/config/schema.ts";
import { startDevBackend } from "../../src/dev/backend.ts";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Child, startChild } from "../soak/child.ts";
import type { GatewayAnswers } from "../soak/children/gateway.ts";
import { FaultBackend } from "./fault-backend.ts";
import { type Device, type FetchFunction, login } from "./world.ts";

export const PROFILE_PATH = "/api/v1/user/profile";
export const SEND_CODE_PATH = "/api/v1/public/auth/send-email-code";
const EXECUTE_PATH = "/sallyport.v1.Gateway/ExecuteCommand";

/** What the gateway said: "ok" or why not, and after how many seconds to come back. */
export interface Said {
  readonly said: string;
  readonly retryAfter: number;
}

/** A gateway in a process of its own, behind a trusted proxy through which requests come from whatever addresses there are. */
export interface FloodedGateway {
  /** Whose memory can be looked at after a collection. */
  readonly process: Child<GatewayAnswers>;
  readonly faults: FaultBackend;
  /** The request ids of the commands that the backend got. */
  readonly executed: readonly string[];
  login(from: string): Promise<Device>;
  /** A request ready to be sent; again and again, where one likes. */
  sign(device: Device, messageType?: string): Promise<object>;
  execute(request: object, from: string): Promise<Said>;
  sendCode(email: string, from: string): Promise<Said>;
  close(): Promise<void>;
}

/** Budgets are roomy, but for these settings. */
export async function startFloodedGateway(settings: Readonly<Partial<Record<ConfigKey, string>>>): Promise<FloodedGateway> {
  const anyPort = { host: "127.0.0.1", port: 0 };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const backend = await startDevBackend({ restListen: anyPort, pushListen: anyPort, database: ":memory:", log });
  const faults = new FaultBackend(backend);
  const executed: string[] = [];
  faults.on(PROFILE_PATH, ({ headers }) => {
    executed.push(headers.get("x-request-id") ?? "");
    return Response.json({});
  });
  const gateway = await startChild<GatewayAnswers>("gateway", {
    ...{ backendUrl: faults.url, pushUrl: backend.pushUrl, listen: "127.0.0.1" },
    settings: { trusted_proxies: "127.0.0.1", ...settings },
  });
  const edgeUrl = `http://127.0.0.1:${(await gateway.ask("ports")).edge}`;
  const post = async (path: string, contentType: string, body: string | Uint8Array<ArrayBuffer>, from: string) => {
    const headers = { "content-type": contentType };
    return said(await through(from)(`${edgeUrl}${path}`, { method: "POST", headers, body }));
  };
  return {
    process: gateway,
    faults,
    executed,
    login: (from) => login(edgeUrl, backend.restUrl, `${from.replaceAll(":", "-")}@example.com`, through(from)),
    sign: ({ signer }, messageType = "user.profile.get") => signer.sign(messageType, new Uint8Array(0)),
    execute: (request, from) => post(EXECUTE_PATH, "application/proto", encode(request), from),
    sendCode: (email, from) => post(SEND_CODE_PATH, "application/json", JSON.stringify({ email }), from),
    async close() {
      await gateway.stop();
      await Promise.all([faults.stop(), backend.stop()]);
    },
  };
}

function encode(request: object): Uint8Array<ArrayBuffer> {
  return toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, request));
}

/** fetch, from this address on. */
function through(from: string): FetchFunction {
  return (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("x-forwarded-for", from);
    return fetch(input, { ...init, headers });
  };
}

/** A refusal of the catalogue by its reason and scope, one of public REST by its code. */
async function said(answer: Response): Promise<Said> {
  const retryAfter = Number(answer.headers.get("retry-after") ?? 0);
  const body = new Uint8Array(await answer.arrayBuffer());
  if (answer.ok) return { said: "ok", retryAfter };
  const { code, details }: ErrorBody = JSON.parse(new TextDecoder().decode(body));
  const { reason = code, metadata } = details?.[0]?.debug ?? {};
  return { said: [reason, metadata?.scope].filter(Boolean).join(" "), retryAfter };
}

interface ErrorBody {
  readonly code: string;
  readonly details?: readonly {
    readonly debug?: { readonly reason?: string; readonly metadata?: { readonly scope?: string } };
  }[];
}
