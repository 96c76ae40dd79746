import { create, type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { type ClientReadableStream, GrpcWebClientBase, MethodDescriptor, MethodType, type RpcError } from "grpc-web";

/** protoc-gen-grpc-web passes the classes of google-protobuf. The runtime stores them and does not call them. */
const NO_CLASS: new () => never = class {
  constructor() {
    throw new Error("protobuf-es has no message classes");
  }
} as never;

/**
 * A connect-es transport whose calls the published gRPC-Web client makes: npm `grpc-web`, over XMLHttpRequest. The messages are
 * those of protobuf-es. `format` is `text` or, for unary calls only, `binary`.
 */
export function publishedGrpcWeb(baseUrl: string, format: "text" | "binary"): Transport {
  const client = new GrpcWebClientBase({ format });
  return {
    async unary(method, _signal, timeoutMs, header, input) {
      const request = create(method.input, input);
      const deadline = timeoutMs === undefined ? {} : { deadline: String(Date.now() + timeoutMs) };
      const metadata = { ...Object.fromEntries(new Headers(header)), ...deadline };
      const message = await client
        .unaryCall(urlOf(baseUrl, method), request, metadata, descriptorOf(method, MethodType.UNARY))
        .catch((error: RpcError) => Promise.reject(connectError(error)));
      return { stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers(), message };
    },
    async stream(method, signal, _timeoutMs, header, input) {
      const [request] = await Array.fromAsync(input);
      if (request === undefined) throw new ConnectError("no request", Code.Internal);
      const metadata = Object.fromEntries(new Headers(header));
      const descriptor = descriptorOf(method, MethodType.SERVER_STREAMING);
      const stream = client.serverStreaming(urlOf(baseUrl, method), create(method.input, request), metadata, descriptor);
      signal?.addEventListener("abort", () => stream.cancel());
      const [headers, message] = [new Headers(), messagesOf(stream)];
      return { stream: true, service: method.parent, method, header: headers, trailer: new Headers(), message };
    },
  };
}

function urlOf(baseUrl: string, { parent, name }: DescMethod): string {
  return `${baseUrl}/${parent.typeName}/${name}`;
}

/** What protoc-gen-grpc-web writes for a method. */
function descriptorOf<I extends DescMessage, O extends DescMessage>(
  { parent, name, input, output }: { parent: DescMethod["parent"]; name: string; input: I; output: O },
  type: string,
): MethodDescriptor<MessageShape<I>, MessageShape<O>> {
  const serialize = (message: MessageShape<I>) => toBinary(input, message);
  const deserialize = (bytes: Uint8Array) => fromBinary(output, bytes);
  return new MethodDescriptor(`/${parent.typeName}/${name}`, type, NO_CLASS, NO_CLASS, serialize, deserialize);
}

/** The messages of a stream. Throws the error that ends the stream. */
function messagesOf<T>(stream: ClientReadableStream<T>): AsyncIterable<T> {
  return new ReadableStream<T>({
    start(controller) {
      stream.on("data", (message) => controller.enqueue(message));
      stream.on("error", (error) => controller.error(connectError(error)));
      stream.on("end", () => queueMicrotask(() => controller.close()));
    },
    cancel: () => stream.cancel(),
  });
}

/** The error with its details, which the client leaves in base64 in the metadata. */
function connectError({ code, message, metadata }: RpcError): ConnectError {
  const trailer = new Headers({ ...metadata, "grpc-status": String(code), "grpc-message": encodeURIComponent(message) });
  return findTrailerError(trailer) ?? new ConnectError(message, Code.Unknown);
}
