import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_timestamp,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/** A service whose files have features that the gateway's files lack: extensions, nested messages, a oneof, indirect imports. */
const animals = create(FileDescriptorProtoSchema, {
  name: "animals.proto",
  package: "zoo.v1",
  dependency: ["google/protobuf/timestamp.proto"],
  syntax: "proto2",
  messageType: [
    {
      name: "Animal",
      field: [
        { name: "latin", number: 1, type: Type.STRING, label: Label.OPTIONAL, oneofIndex: 0 },
        { name: "born", number: 2, type: Type.MESSAGE, label: Label.OPTIONAL, typeName: ".google.protobuf.Timestamp" },
      ],
      oneofDecl: [{ name: "name" }],
      nestedType: [{ name: "Diet", field: [{ name: "food", number: 1, type: Type.STRING, label: Label.OPTIONAL }] }],
      extensionRange: [{ start: 100, end: 200 }],
    },
  ],
});

const animal = { typeName: ".zoo.v1.Animal", extendee: ".zoo.v1.Animal" };
const zooFile = create(FileDescriptorProtoSchema, {
  name: "zoo.proto",
  package: "zoo.v1",
  dependency: ["animals.proto"],
  syntax: "proto2",
  extension: [
    { name: "stripes", number: 101, type: Type.INT32, label: Label.OPTIONAL, extendee: animal.extendee },
    { name: "horns", number: 100, type: Type.INT32, label: Label.OPTIONAL, extendee: animal.extendee },
  ],
  service: [{ name: "Zoo", method: [{ name: "Feed", inputType: animal.typeName, outputType: animal.typeName }] }],
});

function serviceOf(): DescService {
  const known = new Map([animals, file_google_protobuf_timestamp.proto].map((file) => [file.name, file]));
  const service = createFileRegistry(zooFile, (name) => known.get(name)).getService("zoo.v1.Zoo");
  if (service === undefined) throw new Error("the service zoo.v1.Zoo is missing");
  return service;
}

export const zoo = { service: serviceOf() };
