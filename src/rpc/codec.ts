import { isUtf8 } from "node:buffer";
import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  isMessage,
  type MessageInitShape,
  type MessageShape,
  type Registry,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { FlatMessage } from "./flat-fields.ts";
import { flatReader } from "./flat-reader.ts";
import { flatWriter } from "./flat-writer.ts";
import { checkJsonBounds } from "./json-bounds.ts";
import { prepareFields } from "./json-fields.ts";
import { MESSAGE_DEPTH_MAX } from "./limits.ts";
import { checkProtoBounds } from "./proto-bounds.ts";

/** The encoding of messages: binary Protobuf (`proto`) or ProtoJSON (`json`). */
export type CodecName = "proto" | "json";

/** Decodes and encodes the messages of one type. */
export interface Codec<Desc extends DescMessage> {
  /**
   * Decodes a message. Throws ConnectError `invalid_argument` if the bytes are not a message of this type. Ignores unknown
   * fields.
   */
  decode(bytes: Uint8Array): MessageShape<Desc>;
  encode(message: MessageInitShape<Desc>): Uint8Array<ArrayBuffer>;
}

export type Codecs<Desc extends DescMessage> = Readonly<Record<CodecName, Codec<Desc>>>;

const utf8Encoder = new TextEncoder();
/** With `fatal`, the decoder throws if the bytes are invalid UTF-8. Without `fatal`, it would replace the invalid bytes. */
const utf8Decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Returns the codecs of a message type. `registry` contains the message types that an Any field may contain. The JSON codec
 * needs these types to read and write an Any field.
 */
export function codecsOf<Desc extends DescMessage>(desc: Desc, registry?: Registry): Codecs<Desc> {
  const whole = (message: MessageInitShape<Desc>) => (isMessage(message, desc) ? message : create(desc, message));
  return {
    proto: {
      decode: binaryDecoder(desc),
      encode: binaryEncoder(desc) ?? ((message) => toBinary(desc, whole(message))),
    },
    json: {
      decode: (bytes) => {
        const parse = () => {
          checkJsonBounds(bytes);
          // Checked before decoding, because TextDecoder is slow on invalid UTF-8: 6 ns per byte.
          if (!isUtf8(bytes)) throw new Error("the text is not UTF-8");
          const json = prepareFields(desc, JSON.parse(utf8Decoder.decode(bytes)));
          return fromJson(desc, json, { ignoreUnknownFields: true, recursionLimit: MESSAGE_DEPTH_MAX, registry });
        };
        return decodeWith("json", parse);
      },
      encode: (message) => utf8Encoder.encode(toJsonString(desc, whole(message), { registry })),
    },
  };
}

function binaryDecoder<Desc extends DescMessage>(desc: Desc): Codec<Desc>["decode"] {
  // Unknown fields are dropped. Keeping them would make decoding four times slower, and create an object for each unknown
  // field.
  const options = { readUnknownFields: false, recursionLimit: MESSAGE_DEPTH_MAX };
  const whole = (bytes: Uint8Array) =>
    decodeWith("proto", () => {
      checkProtoBounds(desc, bytes);
      return fromBinary(desc, bytes, options);
    });
  const read = flatReader(desc);
  if (read === undefined) return whole;
  return (bytes) => (read(bytes) as MessageShape<Desc> | undefined) ?? whole(bytes);
}

/**
 * Returns a fast encoder for a message type. Returns `undefined` if `flatWriter` does not support the type. The cast is safe
 * because a message has the fields of its descriptor.
 */
function binaryEncoder<Desc extends DescMessage>(desc: Desc): Codec<Desc>["encode"] | undefined {
  const write = flatWriter(desc);
  return write && ((message) => write(message as FlatMessage));
}

function decodeWith<T>(codec: CodecName, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    const why = decodeCause(cause);
    throw new ConnectError(`the message cannot be read as ${codec}`, Code.InvalidArgument, undefined, undefined, why);
  }
}

/** Some error messages of protobuf-es quote a value from the client. Matches the start of such a message, before the value. */
const BEFORE_VALUE = /^cannot decode [\w. ]+ from JSON\b/;

/**
 * Returns the cause of a decoding error, for the log. It names the field if the field is known. It contains no value from the
 * client.
 */
function decodeCause(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const fieldError = [thrown, thrown.cause].find(isFieldError);
  if (fieldError !== undefined) return new Error(`the value of ${fieldError.field()}`);
  const [head] = BEFORE_VALUE.exec(thrown.message) ?? [];
  return head === undefined ? thrown : new Error(head);
}
