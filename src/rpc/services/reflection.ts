import type { DescFile, DescService, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { LiveSet } from "../../core/live-set.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { STANDARD_REQUEST_BYTES_MAX } from "../limits.ts";
import type { OutgoingStream } from "../outgoing-stream.ts";
import { type AnyMethod, type BidiStreamHandler, bidiStream } from "../service.ts";
import { DescriptorIndex, type FileClosure } from "./descriptor-index.ts";
import { FairQuota, type Networked } from "./fair-quota.ts";

type RequestSchema = typeof ServerReflectionRequestSchema;
type ResponseSchema = typeof ServerReflectionResponseSchema;
type Answer = NonNullable<MessageInitShape<ResponseSchema>["messageResponse"]>;

/**
 * Maximum number of open reflection streams. `FairQuota` shares them among networks. Reflection tools hold a stream for
 * seconds.
 */
const STREAMS_MAX = 100;
/** Maximum number of requests on one reflection stream. Reflection tools send far fewer. */
const QUESTIONS_MAX = 1000;

export interface ReflectionOptions {
  /**
   * Additional files to describe. They declare message types that are not the request or response type of a method. Examples
   * are error details and the messages in Any fields.
   */
  readonly files?: readonly DescFile[];
  /** When this signal aborts, open reflection streams end. So a shutdown does not wait for them. */
  readonly stopping?: AbortSignal;
}

/**
 * Returns the methods of gRPC server reflection, in the versions v1 and v1alpha
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). The responses describe `services` and the two services of
 * reflection.
 */
export function reflection<Peer extends Networked>(
  services: readonly DescService[],
  { files = [], stopping }: ReflectionOptions = {},
): AnyMethod<Peer>[] {
  const index = new DescriptorIndex([...services, ServerReflection, ServerReflectionV1Alpha], files);
  const openStreams = new LiveSet<OutgoingStream<ResponseSchema>>();
  const quota = new FairQuota(STREAMS_MAX);
  stopping?.addEventListener("abort", () => {
    for (const stream of openStreams) stream.end(shuttingDown());
  });
  const answerStream: BidiStreamHandler<RequestSchema, ResponseSchema, Peer> = async (requests, call, stream) => {
    if (stopping?.aborted) throw shuttingDown();
    const { network } = call.peer;
    const evict = () => stream.end(tooMany());
    if (!quota.take(network, evict)) throw tooMany();
    const held = openStreams.add(stream);
    const ended = () => {
      openStreams.remove(held);
      quota.release(network, evict);
    };
    stream.onEnd({ ended });
    await answerAll(requests, stream, index);
  };
  const limits = { requestBytesMax: STANDARD_REQUEST_BYTES_MAX };
  const v1 = bidiStream(ServerReflection.method.serverReflectionInfo, answerStream, limits);
  // The messages of v1alpha and v1 have the same encoding, so v1alpha uses the codecs of v1.
  return [v1, { ...v1, path: `/${ServerReflectionV1Alpha.typeName}/${v1.name}` }];
}

async function answerAll(
  requests: AsyncIterable<ServerReflectionRequest>,
  stream: OutgoingStream<ResponseSchema>,
  index: DescriptorIndex,
): Promise<void> {
  let questions = 0;
  for await (const request of requests) {
    if (++questions > QUESTIONS_MAX) throw new ConnectError("too many questions on one stream", Code.ResourceExhausted);
    stream.send({ validHost: request.host, originalRequest: request, messageResponse: answer(request, index) });
    await stream.drained();
  }
  stream.end();
}

function answer({ messageRequest: question }: ServerReflectionRequest, index: DescriptorIndex): Answer {
  switch (question.case) {
    case "fileByFilename":
      return filesOf(index.fileNamed(question.value));
    case "fileContainingSymbol":
      return filesOf(index.fileOfSymbol(question.value));
    case "fileContainingExtension":
      return filesOf(index.fileOfExtension(question.value.containingType, question.value.extensionNumber));
    case "allExtensionNumbersOfType":
      return extensionNumbers(question.value, index.extensionNumbers(question.value));
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    default:
      throw new ConnectError("the request asks nothing", Code.InvalidArgument);
  }
}

function filesOf(fileDescriptorProto: FileClosure | undefined): Answer {
  if (fileDescriptorProto === undefined) return notFound("there is no such file, symbol or extension");
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: [...fileDescriptorProto] } };
}

function extensionNumbers(baseTypeName: string, numbers: readonly number[] | undefined): Answer {
  if (numbers === undefined) return notFound("there is no such message type");
  return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber: [...numbers] } };
}

function notFound(errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage } };
}

function tooMany(): ConnectError {
  return new ConnectError("too many reflection streams from this network", Code.ResourceExhausted);
}

function shuttingDown(): ConnectError {
  return new ConnectError("the server is shutting down", Code.Unavailable);
}
