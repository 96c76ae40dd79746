import { describe, expect, test } from "bun:test";
import { create, type DescField, type DescMessage, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { gatewayService } from "../../../src/client/gateway-service.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";

/** The descriptors of the client's table, compared with those of the generated code. */

/** The properties of a descriptor without functions, links to other descriptors and the messages of the descriptor file. */
function propertiesOf(described: object): Record<string, unknown> {
  const linked = new Set(["proto", "parent", "file", "fields", "field", "members", "methods", "method", "input", "output"]);
  const kept = Object.entries(described).filter(([name, value]) => {
    return !linked.has(name) && typeof value !== "function" && value !== undefined;
  });
  return Object.fromEntries(kept.map(([name, value]) => [name, name === "message" ? value.typeName : value]));
}

function messagesOf({ methods }: { readonly methods: readonly { input: DescMessage; output: DescMessage }[] }): DescMessage[] {
  const found = new Map<string, DescMessage>();
  const visit = (message: DescMessage): void => {
    found.set(message.typeName, message);
    for (const { message: nested } of message.fields) if (nested !== undefined) visit(nested);
  };
  for (const { input, output } of methods) [input, output].forEach(visit);
  return [...found.values()];
}

const pairs = messagesOf(Gateway).map((generated) => {
  const own = messagesOf(gatewayService).find(({ typeName }) => typeName === generated.typeName);
  if (own === undefined) throw new Error(`${generated.typeName} has no descriptor`);
  return { name: generated.name, generated, own };
});

test("the service and its methods are those of the generated code", () => {
  expect(propertiesOf(gatewayService)).toEqual(propertiesOf({ ...Gateway, file: undefined }));
  expect(Object.keys(gatewayService.method)).toEqual(Object.keys(Gateway.method));
  for (const [at, method] of Gateway.methods.entries()) {
    const own = gatewayService.methods[at];
    expect(propertiesOf(own ?? {})).toEqual(propertiesOf(method));
    expect(own?.parent.typeName).toBe(method.parent.typeName);
    expect([own?.input.typeName, own?.output.typeName]).toEqual([method.input.typeName, method.output.typeName]);
    expect(String(own)).toBe(String(method));
  }
});

describe.each(pairs)("$name", ({ own, generated }) => {
  test("has the fields of the generated code", () => {
    expect(propertiesOf(own)).toEqual(propertiesOf(generated));
    expect(own.file.edition).toBe(generated.file.edition);
    expect(own.fields.map(propertiesOf)).toEqual(generated.fields.map(propertiesOf));
    expect(Object.keys(own.field)).toEqual(Object.keys(generated.field));
    expect(own.members).toEqual(own.fields);
    const defaults = (fields: readonly DescField[]) =>
      fields.map((field) => ("getDefaultValue" in field && field.getDefaultValue ? [field.getDefaultValue()] : []));
    expect(defaults(own.fields)).toEqual(defaults(generated.fields));
    expect(own.fields.map(String)).toEqual(generated.fields.map(String));
  });

  test("is encoded and decoded as by the generated code, in binary and JSON", () => {
    const full = filled(generated);
    const bytes = toBinary(generated, create(generated, full));
    expect(toBinary(own, create(own, full))).toEqual(bytes);
    expect(toJson(own, fromBinary(own, bytes))).toEqual(toJson(generated, fromBinary(generated, bytes)));
    expect(toBinary(own, fromJson(own, toJson(generated, create(generated, full))))).toEqual(bytes);
    expect(toBinary(own, create(own, {}))).toHaveLength(0);
    expect(create(own, {})).toEqual(create(generated, {}));
  });
});

/** A message with a value in each field. */
function filled(message: DescMessage): Record<string, unknown> {
  const values = message.fields.map((field) => {
    if (field.fieldKind === "message") return [field.localName, filled(field.message)];
    if (field.fieldKind === "list")
      return [field.localName, field.message ? [filled(field.message), filled(field.message)] : []];
    const isBytes = field.localName.endsWith("Hash") || /bytes|signature/i.test(field.localName);
    return [
      field.localName,
      isBytes ? new Uint8Array([0, 1, 255]) : field.localName.endsWith("Ms") ? -5n : `${field.name} żółć`,
    ];
  });
  return Object.fromEntries(values);
}
