import { create, createRegistry, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import {
  ConformancePayload_RequestInfoSchema,
  ConformanceService,
  file_connectrpc_conformance_v1_service,
  type Header,
  type Error as RequestedError,
  ServerStreamRequestSchema,
  ServerStreamResponseSchema,
  UnaryRequestSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import type { Peer } from "../../src/core/admission.ts";
import type { Call } from "../../src/rpc/call.ts";
import { type AnyMethod, serverStream, unary } from "../../src/rpc/service.ts";

const registry = createRegistry(file_connectrpc_conformance_v1_service);

/** The suite's ConformanceService, as its service.proto defines it: each request defines its response. `Unimplemented` is omitted. */
export function conformanceService(): readonly AnyMethod<Peer>[] {
  return [
    unary(
      ConformanceService.method.unary,
      async (request, call: Call<Peer>) => {
        const definition = request.responseDefinition;
        const requestInfo = infoOf(call, UnaryRequestSchema, request);
        addHeaders(call.responseHeader, definition?.responseHeaders);
        addHeaders(call.responseTrailer, definition?.responseTrailers);
        await Bun.sleep(definition?.responseDelayMs ?? 0);
        if (definition?.response.case === "error") throw requestedError(definition.response.value, requestInfo);
        const data = definition?.response.case === "responseData" ? definition.response.value : new Uint8Array(0);
        return { payload: { data, requestInfo } };
      },
      { registry },
    ),
    serverStream(
      ConformanceService.method.serverStream,
      async (request, call: Call<Peer>, stream) => {
        const definition = request.responseDefinition;
        const requestInfo = infoOf(call, ServerStreamRequestSchema, request);
        addHeaders(call.responseHeader, definition?.responseHeaders);
        addHeaders(call.responseTrailer, definition?.responseTrailers);
        const responses = definition?.responseData ?? [];
        if (responses.length > 0) stream.open();
        for (const [at, data] of responses.entries()) {
          await Bun.sleep(definition?.responseDelayMs ?? 0);
          stream.send(
            create(ServerStreamResponseSchema, { payload: { data, requestInfo: at === 0 ? requestInfo : undefined } }),
          );
          await stream.drained();
        }
        if (definition?.error === undefined) stream.end();
        else stream.end(requestedError(definition.error, responses.length === 0 ? requestInfo : undefined));
      },
      { registry },
    ),
  ];
}

type RequestInfo = MessageShape<typeof ConformancePayload_RequestInfoSchema>;

/** The request as the server received it. */
function infoOf<Desc extends DescMessage>(call: Call<Peer>, desc: Desc, message: MessageShape<Desc>): RequestInfo {
  const requestHeaders = [...call.request.allHeaders()].map(([name, value]) => ({ name, value: [value] }));
  const timeoutMs = call.timeoutMs === undefined ? undefined : BigInt(Math.round(call.timeoutMs));
  return create(ConformancePayload_RequestInfoSchema, { requestHeaders, timeoutMs, requests: [anyPack(desc, message)] });
}

function addHeaders(target: Headers, headers: readonly Header[] = []): void {
  for (const { name, value } of headers) for (const each of value) target.append(name, each);
}

function requestedError({ code, message, details }: RequestedError, requestInfo: RequestInfo | undefined): ConnectError {
  const error = new ConnectError(message ?? "", Number(code));
  const all = requestInfo === undefined ? details : [...details, anyPack(ConformancePayload_RequestInfoSchema, requestInfo)];
  for (const detail of all) error.details.push(encodedDetail(detail));
  return error;
}

/** An error detail in its wire form, which needs no registry. */
function encodedDetail({ typeUrl, value }: Any) {
  return { type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value };
}
