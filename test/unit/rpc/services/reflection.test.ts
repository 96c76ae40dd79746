import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { Peer } from "../../../../src/core/admission.ts";
import { file_google_rpc_error_details } from "../../../../src/gen/google/rpc/error_details_pb.ts";
import { Health } from "../../../../src/gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Gateway } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import { reflection } from "../../../../src/rpc/services/reflection.ts";
import { H2_VARIANTS, openRpcListeners, type RpcListeners } from "../../../support/rpc-listeners.ts";
import { until } from "../../../support/until.ts";
import { zoo } from "./zoo.ts";

type Question = ServerReflectionRequest["messageRequest"];
type Answer = ServerReflectionResponse["messageResponse"];

const stopping = new AbortController();
let listeners: RpcListeners;

beforeAll(async () => {
  listeners = await openRpcListeners(
    reflection<Peer>([Gateway, Health, zoo.service], { files: [file_google_rpc_error_details], stopping: stopping.signal }),
  );
});

afterAll(() => listeners.close());

function transportOf(at = 0): Transport {
  const variant = H2_VARIANTS[at];
  if (variant === undefined) throw new RangeError("no such variant");
  return variant.open(listeners);
}

async function request(question: Question, transport = transportOf()): Promise<Answer> {
  async function* one() {
    yield { host: "here", messageRequest: question };
  }
  for await (const answer of createClient(ServerReflection, transport).serverReflectionInfo(one())) {
    expect(answer.validHost).toBe("here");
    expect(answer.originalRequest?.messageRequest).toEqual(question);
    return answer.messageResponse;
  }
  throw new Error("no answer");
}

/** The names of the files of a response, or its error code. */
function filesOf(answer: Answer): string[] | number {
  if (answer.case === "errorResponse") return answer.value.errorCode;
  if (answer.case !== "fileDescriptorResponse") throw new Error(`an answer of another kind: ${answer.case}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

const GATEWAY_FILE = "sallyport/v1/gateway.proto";
const ZOO_FILES = ["zoo.proto", "animals.proto", "google/protobuf/timestamp.proto"];

describe.each(H2_VARIANTS.map(({ name }, at) => [name, at] as const))("%s", (_, at) => {
  test.each([
    ["v1", ServerReflection],
    ["v1alpha", ServerReflectionV1Alpha],
  ])("%s: lists all services and the file of each", async (_, service) => {
    const client = createClient(service, transportOf(at));
    async function* questions() {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
      yield { messageRequest: { case: "fileContainingSymbol" as const, value: Gateway.typeName } };
    }
    const answers: Answer[] = [];
    for await (const { messageResponse } of client.serverReflectionInfo(questions())) answers.push(messageResponse as Answer);
    const [list, files] = answers;
    expect(list?.case === "listServicesResponse" && list.value.service.map(({ name }) => name)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "sallyport.v1.Gateway",
      "zoo.v1.Zoo",
    ]);
    expect(files && filesOf(files)).toEqual([GATEWAY_FILE]);
  });
});

describe("a symbol is found in the file that declares it", () => {
  test.each([
    ["a service", "sallyport.v1.Gateway", [GATEWAY_FILE]],
    ["a method", "sallyport.v1.Gateway.ExecuteCommand", [GATEWAY_FILE]],
    ["a message", "sallyport.v1.RequestEnvelope", [GATEWAY_FILE]],
    ["a field", "sallyport.v1.RequestEnvelope.payload_hash", [GATEWAY_FILE]],
    ["a nested enum", "grpc.health.v1.HealthCheckResponse.ServingStatus", ["grpc/health/v1/health.proto"]],
    [
      "an enum's value, which is its sibling",
      "grpc.health.v1.HealthCheckResponse.NOT_SERVING",
      ["grpc/health/v1/health.proto"],
    ],
    ["a nested message", "zoo.v1.Animal.Diet", ["animals.proto", "google/protobuf/timestamp.proto"]],
    ["a nested message's field", "zoo.v1.Animal.Diet.food", ["animals.proto", "google/protobuf/timestamp.proto"]],
    ["a oneof", "zoo.v1.Animal.name", ["animals.proto", "google/protobuf/timestamp.proto"]],
    ["an extension", "zoo.v1.stripes", ZOO_FILES],
    ["a well-known type that is used", "google.protobuf.Timestamp", ["google/protobuf/timestamp.proto"]],
    ["a service of another file", "zoo.v1.Zoo", ZOO_FILES],
    ["a package", "sallyport.v1", Code.NotFound],
    ["a detail of errors", "google.rpc.ErrorInfo", ["google/rpc/error_details.proto", "google/protobuf/duration.proto"]],
    ["a message that nobody uses", "google.protobuf.FieldMask", Code.NotFound],
    ["an enum's value in the scope of its enum", "grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING", Code.NotFound],
    ["a member of Object", "constructor", Code.NotFound],
    ["an empty name", "", Code.NotFound],
  ])("%s", async (_, value, expected) => {
    expect(filesOf(await request({ case: "fileContainingSymbol", value }))).toEqual(expected);
  });
});

test.each<[string, string[] | Code]>([
  [GATEWAY_FILE, [GATEWAY_FILE]],
  ["zoo.proto", ZOO_FILES],
  ["google/protobuf/timestamp.proto", ["google/protobuf/timestamp.proto"]],
  ["sallyport/v1/push.proto", Code.NotFound],
  ["../../etc/passwd", Code.NotFound],
])("fileByFilename %s", async (value, expected) => {
  expect(filesOf(await request({ case: "fileByFilename", value }))).toEqual(expected);
});

test("the files of a response are sufficient to build the service", async () => {
  const answer = await request({ case: "fileContainingSymbol", value: "zoo.v1.Zoo" });
  if (answer.case !== "fileDescriptorResponse") throw new Error("no files");
  const file = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  // The registry needs imports first; the response has them last.
  const service = createFileRegistry(create(FileDescriptorSetSchema, { file: file.reverse() })).getService(
    "zoo.v1.Zoo",
  ) as DescService;
  expect(service.methods.map(({ name, output }) => [name, output.typeName])).toEqual([["Feed", "zoo.v1.Animal"]]);
});

describe("extensions", () => {
  const extension = (containingType: string, extensionNumber: number) =>
    request({
      case: "fileContainingExtension",
      value: { $typeName: "grpc.reflection.v1.ExtensionRequest", containingType, extensionNumber },
    });

  test("are found by message type and number", async () => {
    expect(filesOf(await extension("zoo.v1.Animal", 100))).toEqual(ZOO_FILES);
    expect(filesOf(await extension("zoo.v1.Animal", 102))).toBe(Code.NotFound);
    expect(filesOf(await extension("zoo.v1.Nobody", 100))).toBe(Code.NotFound);
  });

  test.each([
    ["zoo.v1.Animal", [100, 101]],
    ["sallyport.v1.RequestEnvelope", []],
  ])("of %s have the numbers %j", async (value, extensionNumber) => {
    const answer = await request({ case: "allExtensionNumbersOfType", value });
    expect(answer).toMatchObject({ case: "allExtensionNumbersResponse", value: { baseTypeName: value, extensionNumber } });
  });

  test("of an unknown type are `not found`, not an empty list", async () => {
    expect(filesOf(await request({ case: "allExtensionNumbersOfType", value: "zoo.v1.Nobody" }))).toBe(Code.NotFound);
  });
});

async function codeOf(requests: AsyncIterable<object>): Promise<string> {
  try {
    for await (const _ of createClient(ServerReflection, transportOf()).serverReflectionInfo(requests));
    return "ok";
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? "";
  }
}

test("an empty request ends the call with invalid_argument", async () => {
  async function* nothing() {
    yield {};
  }
  expect(await codeOf(nothing())).toBe("InvalidArgument");
});

test("requests on one stream are bounded", async () => {
  async function* many() {
    for (let at = 0; at < 1001; at++) yield { messageRequest: { case: "listServices" as const, value: "" } };
  }
  expect(await codeOf(many())).toBe("ResourceExhausted");
});

test("streams are bounded, and a shutdown ends them", async () => {
  const shared = transportOf();
  const streams: Promise<string>[] = [];
  const over = Promise.withResolvers<void>();
  let answered = 0;
  for (let at = 0; at < 100; at++) {
    async function* asking() {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
      await over.promise;
    }
    const stream = async () => {
      for await (const _ of createClient(ServerReflection, shared).serverReflectionInfo(asking())) answered++;
    };
    streams.push(
      stream().then(
        () => "ok",
        (error) => Code[ConnectError.from(error).code] ?? "",
      ),
    );
  }
  await until(() => answered === 100, "every stream to be answered");
  async function* one() {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
  }
  expect(await codeOf(one())).toBe("ResourceExhausted");
  stopping.abort();
  expect(new Set(await Promise.all(streams))).toEqual(new Set(["Unavailable"]));
  expect(await codeOf(one())).toBe("Unavailable");
  over.resolve();
});
