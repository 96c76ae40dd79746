import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { GatewayEventSchema } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import type { EventCodec } from "../../../../src/hub/sink.ts";
import type { FakeSink } from "./fake-sink.ts";
import { LARGE_BYTES } from "./hub-model.ts";
import { NOW } from "./setting.ts";

/** A message as the model has it, and its id. */
export interface Told {
  readonly text: string;
  readonly id: string;
}

/** Reads what has come on a stream since the last time. */
export class ToldReader {
  readonly sink: FakeSink;
  readonly ids: string[] = [];

  constructor(sink: FakeSink) {
    this.sink = sink;
  }

  fresh(): string[] {
    const told = this.sink.frames.slice(this.ids.length).map((frame) => read(frame, this.sink.codec));
    this.ids.push(...told.map(({ id }) => id));
    return told.map(({ text }) => text);
  }
}

/** The same frame goes to many streams, and is read once. */
const readBefore = new WeakMap<Uint8Array, Told>();

function read(frame: Uint8Array, codec: EventCodec): Told {
  const known = readBefore.get(frame);
  if (known !== undefined) return known;
  const bytes = frame.subarray(5);
  const { envelope, payloadBytes } =
    codec === "proto"
      ? fromBinary(GatewayEventSchema, bytes)
      : fromJsonString(GatewayEventSchema, new TextDecoder().decode(bytes));
  const { eventType = "", audience = "", timestampMs = 0n, eventId = "" } = envelope ?? {};
  const words = [eventType, audience, whatIn(eventType, payloadBytes), `at ${Number(timestampMs) - NOW}`];
  const told = { text: words.filter((word) => word !== "").join(" "), id: eventId };
  readBefore.set(frame, told);
  return told;
}

/** The event's number, and so many large ones of nothing. */
export function payloadOf(n: number, size: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES + size * LARGE_BYTES);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

const NUMBER_BYTES = 4;

function whatIn(eventType: string, bytes: Uint8Array): string {
  if (eventType === "chat.message") return `#${new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)}`;
  if (eventType !== "gateway.server_time") return "";
  return JSON.parse(new TextDecoder().decode(bytes)).resumed ? "resumed" : "anew";
}
