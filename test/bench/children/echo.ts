/** One unary echo method in one of three implementations. */

import { create, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler } from "@connectrpc/connect/protocol";
import { systemClock } from "../../../src/core/clock.ts";
import {
  ExecuteCommandRequestSchema,
  ExecuteCommandResponseSchema,
  Gateway,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { brotli, Compressions, gzip, zstd } from "../../../src/rpc/compression.ts";
import { RpcServer } from "../../../src/rpc/server.ts";
import { unary } from "../../../src/rpc/service.ts";
import { toConnectError } from "../../../src/service/rpc-errors.ts";
import { FetchRequest, toResponse } from "../../../src/transport/bun/fetch-host.ts";
import { BodyTimers } from "../../../src/transport/limits/body-timers.ts";
import { UNGUARDED } from "../../support/unguarded.ts";
import { answerParent, parameters } from "../child.ts";

type Handler = (request: Request) => Response | Promise<Response>;

function echo({ envelope, payloadBytes, signature }: MessageShape<typeof ExecuteCommandRequestSchema>) {
  const { protocolVersion = "", requestId = "", timestampMs = 0n, payloadHash = new Uint8Array(0) } = envelope ?? {};
  return {
    envelope: { protocolVersion, requestId, timestampMs, payloadHash, resultCode: "ok", keyId: "bench" },
    payloadBytes,
    signature,
  };
}

/** The RPC layer, on Bun.serve as the edge uses it. */
function ours(): Handler {
  const rpc = new RpcServer([unary(Gateway.method.executeCommand, echo)], {
    requestBytesMax: 512 * 1024,
    tooLarge: (limit) => new RangeError(`over ${limit} bytes`),
    compressions: new Compressions([gzip, brotli, zstd]),
    compressBytesMin: 1024,
    guard: UNGUARDED,
    toConnectError,
    clock: systemClock,
    onDone() {},
  });
  const path = rpc.paths[0] ?? "";
  const peer = { address: "127.0.0.1", network: "127.0.0.1" };
  const bodyTimers = new BodyTimers(30_000);
  return async (request) => toResponse(await rpc.handle(new FetchRequest(request, path, peer, bodyTimers)), request, null);
}

/** Handwritten: decodes, answers, encodes, and nothing else. */
function handwritten(): Handler {
  const headers = { "content-type": "application/proto" };
  return async (request) => {
    const message = fromBinary(ExecuteCommandRequestSchema, await request.bytes());
    return new Response(toBinary(ExecuteCommandResponseSchema, create(ExecuteCommandResponseSchema, echo(message))), {
      headers,
    });
  };
}

/** The router and fetch adapter of connect-es. */
function connectEs(): Handler {
  const router = createConnectRouter().rpc(Gateway.method.executeCommand, echo);
  const [handler] = router.handlers;
  if (handler === undefined) throw new Error("the router has no handler");
  return createFetchHandler(handler);
}

const IMPLEMENTATIONS: Readonly<Record<string, () => Handler>> = { ours, handwritten, connectEs };

const { implementation } = parameters<{ implementation: string }>();
const fetch = IMPLEMENTATIONS[implementation]?.();
if (fetch === undefined) throw new Error(`unknown implementation ${implementation}`);
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
answerParent({ port: server.port ?? 0 });
