import { create, toBinary } from "@bufbuild/protobuf";
import type { ConfigKey } from "../../src/config/schema.ts";
import { startDevBackend } from "../../src/dev/backend.ts";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Child, startChild } from "../soak/child.ts";
import type { GatewayAnswers } from "../soak/children/gateway.ts";
import { FaultBackend } from "./fault-backend.ts";
import { SILENT_LOG } from "./silent-log.ts";
import { type Device, type FetchFunction, login } from "./world.ts";

export const PROFILE_PATH = "/api/v1/user/profile";
export const SEND_CODE_PATH = "/api/v1/public/auth/send-email-code";
const EXECUTE_PATH = "/sallyport.v1.Gateway/ExecuteCommand";

/** The outcome of one call. */
export interface Outcome {
  /** "ok", or the code of the refusal, followed by the scope of the exhausted budget if there is one. */
  readonly code: string;
  /** Retry-After, in seconds. */
  readonly retryAfter: number;
}

/** A gateway in its own process. The test is its trusted proxy, so that requests come from any address. */
export interface FloodedGateway {
  /** The process. It reports its memory after a garbage collection. */
  readonly process: Child<GatewayAnswers>;
  readonly faults: FaultBackend;
  /** The request ids of the commands that the backend received. */
  readonly executed: readonly string[];
  login(from: string): Promise<Device>;
  /** A signed command. It can be sent several times. */
  sign(device: Device, messageType?: string): Promise<object>;
  execute(request: object, from: string): Promise<Outcome>;
  sendCode(email: string, from: string): Promise<Outcome>;
  close(): Promise<void>;
}

/** Starts with budgets that only a flood exhausts, unless `settings` override them. */
export async function startFloodedGateway(settings: Readonly<Partial<Record<ConfigKey, string>>>): Promise<FloodedGateway> {
  const anyPort = { host: "127.0.0.1", port: 0 };
  const backend = await startDevBackend({ restListen: anyPort, pushListen: anyPort, database: ":memory:", log: SILENT_LOG });
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
    return outcomeOf(await through(from)(`${edgeUrl}${path}`, { method: "POST", headers, body }));
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

/** fetch with this client address. */
function through(from: string): FetchFunction {
  return (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("x-forwarded-for", from);
    return fetch(input, { ...init, headers });
  };
}

/** The code is the reason of a refusal, or the code of a public REST error. */
async function outcomeOf(answer: Response): Promise<Outcome> {
  const retryAfter = Number(answer.headers.get("retry-after") ?? 0);
  const body = new Uint8Array(await answer.arrayBuffer());
  if (answer.ok) return { code: "ok", retryAfter };
  const { code, details }: ErrorBody = JSON.parse(new TextDecoder().decode(body));
  const { reason = code, metadata } = details?.[0]?.debug ?? {};
  return { code: [reason, metadata?.scope].filter(Boolean).join(" "), retryAfter };
}

interface ErrorBody {
  readonly code: string;
  readonly details?: readonly {
    readonly debug?: { readonly reason?: string; readonly metadata?: { readonly scope?: string } };
  }[];
}
