import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import type { Reason, Refusal } from "../../../../src/core/refusal.ts";
import { type GatewayEvent, GatewayEventSchema } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import type { EventCodec, Sink, SinkListener } from "../../../../src/hub/sink.ts";

/** A client's stream, as far as the hub can tell. It takes everything at once, unless it is `stuck`. */
export class FakeSink implements Sink {
  readonly codec: EventCodec;
  readonly protocol: string;
  readonly frames: Uint8Array[] = [];
  readonly ends: Reason[] = [];
  /** While the client does not read, what is written stays queued. */
  stuck = false;
  queuedBytes = 0;
  writesAfterEnd = 0;
  ended = false;
  #onEnd: SinkListener[] = [];
  #onDrain: (() => void)[] = [];

  constructor(codec: EventCodec = "proto", protocol = "connect") {
    this.codec = codec;
    this.protocol = protocol;
  }

  write(frame: Uint8Array): void {
    if (this.ended) this.writesAfterEnd++;
    this.frames.push(frame);
    if (this.stuck) this.queuedBytes += frame.byteLength;
  }

  end(refusal: Refusal): void {
    if (this.ended) return;
    this.ends.push(refusal.reason);
    this.#finish(refusal);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.stuck || this.ended) resolve();
      else this.#onDrain.push(resolve);
    });
  }

  onEnd(listener: SinkListener): void {
    if (this.ended) listener.ended(undefined);
    else this.#onEnd.push(listener);
  }

  /** The client reads everything that was written to it, and goes on reading. */
  read(): void {
    this.stuck = false;
    this.take();
  }

  /** The client reads what was written to it so far. */
  take(): void {
    this.queuedBytes = 0;
    for (const listener of this.#onDrain.splice(0)) listener();
  }

  /** The client goes away. */
  leave(): void {
    if (!this.ended) this.#finish(undefined);
  }

  #finish(thrown: Refusal | undefined): void {
    this.ended = true;
    for (const listener of this.#onEnd.splice(0)) listener.ended(thrown);
    for (const listener of this.#onDrain.splice(0)) listener();
  }

  get events(): GatewayEvent[] {
    return this.frames.map((frame) => {
      const message = frame.subarray(5);
      if (this.codec === "proto") return fromBinary(GatewayEventSchema, message);
      return fromJsonString(GatewayEventSchema, new TextDecoder().decode(message));
    });
  }

  get types(): (string | undefined)[] {
    return this.events.map(({ envelope }) => envelope?.eventType);
  }

  get ids(): string[] {
    return this.events.map(({ envelope }) => envelope?.eventId ?? "");
  }

  /** The ids of the backend's own events. */
  get delivered(): string[] {
    return this.events
      .filter(({ envelope }) => envelope?.eventType.startsWith("gateway.") === false)
      .map(({ envelope }) => envelope?.eventId ?? "");
  }

  /** What the stream began with. */
  get opening(): { readonly resumed?: boolean } {
    return JSON.parse(new TextDecoder().decode(this.events[0]?.payloadBytes));
  }
}
