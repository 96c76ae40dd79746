import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";

/**
 * The details of an error: google/rpc/error_details.proto. They are decoded field by field, because
 * the generated code would add 2 KB to a compressed bundle for five fields. A detail that cannot be decoded is ignored.
 */

/** A google.rpc.ErrorInfo. */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export function errorInfosOf(error: ConnectError): ErrorInfo[] {
  return detailsOf(error, "google.rpc.ErrorInfo", (info) => ({
    reason: textOf(info, 1),
    domain: textOf(info, 2),
    metadata: Object.fromEntries(chunksOf(info, 3).map((entry) => [textOf(entry, 1), textOf(entry, 2)])),
  }));
}

/** Returns the `retry_delay` of each google.rpc.RetryInfo, in ms. */
export function retryDelaysOf(error: ConnectError): number[] {
  return detailsOf(error, "google.rpc.RetryInfo", (retry) => {
    const [delay = new Uint8Array()] = chunksOf(retry, 1);
    return numberOf(delay, 1) * 1000 + numberOf(delay, 2) / 1_000_000;
  });
}

/** Returns the details in a google.rpc.Status, as gRPC sends them in `grpc-status-details-bin`. */
export function statusDetailsOf(status: Uint8Array): { type: string; value: Uint8Array }[] {
  return chunksOf(status, 3).map((detail) => {
    const [value = new Uint8Array()] = chunksOf(detail, 2);
    return { type: textOf(detail, 1).replace(/^.*\//, ""), value };
  });
}

function detailsOf<T>({ details }: ConnectError, type: string, decode: (bytes: Uint8Array) => T): T[] {
  return details.flatMap((detail) => {
    try {
      if ("type" in detail) return detail.type === type ? [decode(detail.value)] : [];
      // This detail is not encoded, because a transport or an interceptor in this process created the error.
      const { desc, value } = detail;
      return desc.typeName === type ? [decode(toBinary(desc, create(desc, value)))] : [];
    } catch {
      return [];
    }
  });
}

/** Returns the values of a field whose type is bytes or a message. */
function chunksOf(message: Uint8Array, field: number): Uint8Array[] {
  return valuesOf(message, field, WireType.LengthDelimited, (reader) => reader.bytes());
}

function textOf(message: Uint8Array, field: number): string {
  return valuesOf(message, field, WireType.LengthDelimited, (reader) => reader.string()).at(-1) ?? "";
}

function numberOf(message: Uint8Array, field: number): number {
  return Number(valuesOf(message, field, WireType.Varint, (reader) => reader.int64()).at(-1) ?? 0);
}

function valuesOf<T>(message: Uint8Array, field: number, wireType: WireType, read: (reader: BinaryReader) => T): T[] {
  const reader = new BinaryReader(message);
  const values: T[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field && type === wireType) values.push(read(reader));
    else reader.skip(type, number);
  }
  return values;
}
