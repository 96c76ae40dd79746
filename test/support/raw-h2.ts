import { connect, type Socket } from "node:net";

/** HTTP/2 frame by frame (RFC 9113 4.1), for what no client library does. */
export class RawH2 {
  readonly #socket: Socket;

  constructor(url: string) {
    this.#socket = connect(Number(new URL(url).port), "127.0.0.1");
    this.#socket.on("error", () => {});
    this.#socket.resume();
    this.#socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.#frame(SETTINGS, 0, 0, new Uint8Array(0));
  }

  headers(fields: Readonly<Record<string, string>>): void {
    this.#frame(HEADERS, END_HEADERS, STREAM, Buffer.concat(Object.entries(fields).map(literalField)));
  }

  data(bytes: Uint8Array, options: { end: boolean } = { end: false }): void {
    this.#frame(DATA, options.end ? END_STREAM : 0, STREAM, bytes);
  }

  reset(code: number): void {
    this.#frame(RST_STREAM, 0, STREAM, Buffer.from([0, 0, 0, code]));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.byteLength, 0, 3);
    header.writeUInt8(type, 3);
    header.writeUInt8(flags, 4);
    header.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([header, payload]));
  }
}

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const END_STREAM = 1;
const END_HEADERS = 4;
const STREAM = 1;

/** RFC 7541 6.2.2: a literal field without indexing, its name and value shorter than 127 bytes. */
function literalField([name, value]: [string, string]): Buffer {
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}
