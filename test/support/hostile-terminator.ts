import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { REFUSAL_DOMAIN } from "../../src/core/reasons.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { type GatewayEvent, GatewayEventSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";

const RPC = "/sallyport.v1.Gateway/";
const HEAD_BYTES = 5;
const END_STREAM = 2;

/** What the terminator does. Each member is optional; without any, it forwards. */
export interface Hostility {
  /** Answers a request instead of the gateway. `call`: the name of the RPC, or the path of another request. */
  answer?: ((call: string, body: Uint8Array<ArrayBuffer>) => Response | undefined | Promise<Response | undefined>) | undefined;
  /** Replaces a frame from the gateway by others. `event`: its event; `undefined` for the end of the stream. */
  frames?: ((frame: Uint8Array, event: GatewayEvent | undefined, stream: number) => readonly Uint8Array[]) | undefined;
  /** Replaces the body of a successful answer to a command. */
  result?: ((body: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>) | undefined;
}

/**
 * A hostile TLS terminator in front of a gateway: an HTTP proxy that reads everything, changes everything, and cannot sign. It speaks
 * the Connect protocol with binary messages, as the client does.
 */
export class HostileTerminator {
  readonly hostility: Hostility = {};
  /** The RPCs and paths that were requested, in order. */
  readonly calls: string[] = [];
  /** Every frame with an event that the gateway sent, in order. */
  readonly recorded: { readonly frame: Uint8Array; readonly event: GatewayEvent }[] = [];
  #target: string;
  #streams = 0;
  readonly #server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: (request) => this.#serve(request) });

  constructor(target: string) {
    this.#target = target;
  }

  get url(): string {
    return this.#server.url.origin;
  }

  moveTo(target: string): void {
    this.#target = target;
  }

  /** Sends a request to the gateway unchanged, as often as the terminator likes. */
  async forward(call: string, body: Uint8Array<ArrayBuffer>): Promise<Response> {
    const headers = { "content-type": "application/proto", "connect-protocol-version": "1" };
    return fetch(`${this.#target}${RPC}${call}`, { method: "POST", headers, body });
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }

  async #serve(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const call = pathname.startsWith(RPC) ? pathname.slice(RPC.length) : pathname;
    const body = new Uint8Array(await request.arrayBuffer());
    this.calls.push(call);
    const answer = await this.hostility.answer?.(call, body);
    if (answer !== undefined) return answer;
    const headers = new Headers(request.headers);
    for (const name of ["host", "connection", "accept-encoding"]) headers.delete(name);
    const { method, signal } = request;
    const sent = method === "POST" ? { method, headers, signal, body } : { method, headers, signal };
    const response = await fetch(this.#target + pathname + search, sent);
    return this.#changed(call, response);
  }

  async #changed(call: string, response: Response): Promise<Response> {
    const { status } = response;
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    if (call === "SubscribeEvents" && response.body !== null) {
      return new Response(response.body.pipeThrough(this.#throughFrames()), { status, headers });
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { result } = this.hostility;
    const body = call === "ExecuteCommand" && status === 200 && result !== undefined ? await result(bytes) : bytes;
    return new Response(body, { status, headers });
  }

  #throughFrames(): TransformStream<Uint8Array, Uint8Array> {
    const stream = this.#streams++;
    let rest = Buffer.alloc(0);
    return new TransformStream({
      transform: (chunk, output) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= HEAD_BYTES && rest.length >= HEAD_BYTES + rest.readUInt32BE(1)) {
          const end = HEAD_BYTES + rest.readUInt32BE(1);
          for (const frame of this.#changedFrame(Uint8Array.from(rest.subarray(0, end)), stream)) output.enqueue(frame);
          rest = rest.subarray(end);
        }
      },
    });
  }

  #changedFrame(frame: Uint8Array, stream: number): readonly Uint8Array[] {
    const event = frame[0] === END_STREAM ? undefined : fromBinary(GatewayEventSchema, frame.subarray(HEAD_BYTES));
    if (event !== undefined) this.recorded.push({ frame, event });
    return this.hostility.frames?.(frame, event, stream) ?? [frame];
  }
}

/** A frame with an event, as a gateway sends it. */
export function frameOf(event: GatewayEvent): Uint8Array {
  return frame(0, toBinary(GatewayEventSchema, event));
}

function frame(flags: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEAD_BYTES + data.byteLength);
  bytes[0] = flags;
  new DataView(bytes.buffer).setUint32(1, data.byteLength);
  bytes.set(data, HEAD_BYTES);
  return bytes;
}

/** A forged refusal. */
export interface ForgedRefusal {
  readonly reason: string;
  readonly code: string;
  readonly metadata?: Record<string, string>;
  /** The delay of RetryInfo, in seconds. */
  readonly retrySeconds?: bigint;
}

/** The forged answer to a call: a refusal, as the gateway would write it. */
export function forgedAnswer(call: string, refusal: ForgedRefusal): Response {
  const { reason, code, metadata = {}, retrySeconds } = refusal;
  const info = create(ErrorInfoSchema, { reason, domain: REFUSAL_DOMAIN, metadata });
  const details = [{ type: "google.rpc.ErrorInfo", value: base64Encode(toBinary(ErrorInfoSchema, info), "std_raw") }];
  if (retrySeconds !== undefined) {
    const retry = create(RetryInfoSchema, { retryDelay: { seconds: retrySeconds, nanos: 0 } });
    details.push({ type: "google.rpc.RetryInfo", value: base64Encode(toBinary(RetryInfoSchema, retry), "std_raw") });
  }
  const error = { code, message: "forged", details };
  if (call !== "SubscribeEvents") return Response.json(error, { status: 400 });
  const end = frame(END_STREAM, new TextEncoder().encode(JSON.stringify({ error })));
  return new Response(end, { headers: { "content-type": "application/connect+proto" } });
}
