import { connect, type Socket } from "node:net";
import { until } from "./until.ts";

/** Frame types (RFC 9113 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

/** The default stream: a client's first. */
const STREAM = 1;

/** A frame that the server sent. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export interface RawH2Options {
  /** The payload of the client's SETTINGS frame. */
  readonly settings?: Uint8Array;
  /** Whether PINGs are acknowledged. Default: true. */
  readonly answersPings?: boolean;
  /** The client's loopback address, 127.0.0.1 by default. */
  readonly from?: string;
  /** An open connection to use, for example over TLS. By default, the client connects to the URL. */
  readonly socket?: Socket;
}

/**
 * An HTTP/2 client that sends single frames (RFC 9113 4.1), for sequences that client libraries do not send. It sends no WINDOW_UPDATE: the
 * server has only the initial windows.
 */
export class RawH2 {
  readonly frames: Frame[] = [];
  closed = false;
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);

  readonly #answersPings: boolean;

  constructor(url: string, { settings = new Uint8Array(0), answersPings = true, from, socket }: RawH2Options = {}) {
    this.#answersPings = answersPings;
    this.#socket = socket ?? connect({ port: Number(new URL(url).port), host: "127.0.0.1", localAddress: from });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed = true;
    });
    this.#socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    this.#socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.frame(FRAME.settings, 0, 0, settings);
  }

  headers(fields: Readonly<Record<string, string>>, { end = false, stream = STREAM } = {}): void {
    this.frame(FRAME.headers, END_HEADERS | (end ? END_STREAM : 0), stream, encodeFields(Object.entries(fields)));
  }

  data(bytes: Uint8Array, { end = false, stream = STREAM } = {}): void {
    this.frame(FRAME.data, end ? END_STREAM : 0, stream, bytes);
  }

  reset(code: number, stream = STREAM): void {
    this.frame(FRAME.reset, 0, stream, Buffer.from([0, 0, 0, code]));
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.write(encodeFrame(type, flags, stream, payload));
  }

  /** Writes raw bytes. Resolves when the socket has taken them, or the connection is closed. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.closed || this.#socket.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => this.#socket.once("drain", resolve).once("close", () => resolve()));
  }

  /** Stops reading from the socket. */
  pause(): void {
    this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves to the first received frame of this type. */
  async first(type: number): Promise<Frame> {
    const find = () => this.frames.find((frame) => frame.type === type);
    await until(() => find() !== undefined, `a frame of type ${type}`);
    return find() ?? Promise.reject(new Error("the frame is gone"));
  }

  #take(chunk: Uint8Array): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    while (this.#unread.length >= 9) {
      const end = 9 + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return;
      const [type, flags, stream] = [this.#unread.readUInt8(3), this.#unread.readUInt8(4), this.#unread.readUInt32BE(5)];
      const payload = this.#unread.subarray(9, end);
      this.frames.push({ type, flags, stream, payload });
      if (type === FRAME.ping && flags !== ACK && this.#answersPings) this.frame(FRAME.ping, ACK, 0, payload);
      this.#unread = this.#unread.subarray(end);
    }
  }
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.byteLength, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Literal fields without indexing (RFC 7541 6.2.2). */
export function encodeFields(fields: Iterable<readonly [name: string, value: string]>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) parts.push(Buffer.from([0]), encodeText(name), encodeText(value));
  return Buffer.concat(parts);
}

/** A literal field with incremental indexing (RFC 7541 6.2.1). */
export function encodeIndexedField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), encodeText(name), encodeText(value)]);
}

/** A string literal without Huffman coding (RFC 7541 5.2). */
function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([encodeLength(bytes.byteLength), bytes]);
}

/** An integer with a 7-bit prefix (RFC 7541 5.1). */
function encodeLength(length: number): Buffer {
  if (length < 127) return Buffer.from([length]);
  const octets = [127];
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128);
  return Buffer.from([...octets, rest]);
}
