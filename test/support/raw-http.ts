import { connect as connectHttp2, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { until } from "./until.ts";

/** An HTTP answer as received. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** One HTTP/1.1 connection. The test sets every byte that is sent. */
export class RawHttp1 {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
  }

  /** Uses TLS for an https URL, without verifying the certificate. */
  static async open(baseUrl: string): Promise<RawHttp1> {
    const { hostname, port, protocol } = new URL(baseUrl);
    const isSecure = protocol === "https:";
    const socket = isSecure
      ? connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
      : connect(Number(port), hostname);
    const connection = new RawHttp1(socket);
    await new Promise((resolve, reject) => socket.once(isSecure ? "secureConnect" : "connect", resolve).once("error", reject));
    return connection;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Resolves to the first complete answer, or to `undefined` if the connection closes before. */
  async answer(): Promise<RawAnswer | undefined> {
    await until(() => this.closed || parseAnswer(this.received) !== undefined, "an answer or the end of the connection");
    return parseAnswer(this.received);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** The answer at the start of `bytes`; `undefined` while it is incomplete. Without a length and chunks, the body is empty. */
function parseAnswer(bytes: Buffer): RawAnswer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [start = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const body = bytes.subarray(end + 4);
  const status = Number(start.split(" ")[1]);
  if (headers["transfer-encoding"] === "chunked") {
    const whole = outOfChunks(body);
    return whole && { status, headers, body: whole };
  }
  const length = Number(headers["content-length"] ?? 0);
  if (body.byteLength < length) return undefined;
  return { status, headers, body: body.subarray(0, length) };
}

/** Decodes a chunked body (RFC 9112 7.1); `undefined` until the last chunk is received. */
function outOfChunks(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const length = Number.parseInt(bytes.subarray(at, lineEnd).toString("latin1"), 16);
    at = lineEnd + 2;
    if (bytes.byteLength < at + length + 2) return undefined;
    if (length === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(at, at + length));
    at += length + 2;
  }
}

export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Sends one request over HTTP/1.1. If `chunked`, the body is sent in chunks instead of with a Content-Length. */
export async function http1(baseUrl: string, request: RawRequest, chunked = false): Promise<RawAnswer | undefined> {
  const { method = "POST", path, headers = {}, body = "" } = request;
  const bytes = Buffer.from(body);
  const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes.byteLength}`;
  const fields = Object.entries({ Host: "edge.example", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const connection = await RawHttp1.open(baseUrl);
  try {
    connection.send(`${method} ${path} HTTP/1.1\r\n${fields.join("")}${framing}\r\n\r\n`);
    connection.send(chunked ? inChunks(bytes) : bytes);
    return await connection.answer();
  } finally {
    connection.close();
  }
}

function inChunks(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.byteLength; at += 4096) {
    const part = bytes.subarray(at, at + 4096);
    parts.push(Buffer.from(`${part.byteLength.toString(16)}\r\n`), part, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

/**
 * Sends one request over HTTP/2 with prior knowledge. It has no Content-Length unless `headers` has one. Resolves to `undefined` if the stream
 * is reset.
 */
export async function http2(baseUrl: string, request: RawRequest): Promise<RawAnswer | undefined> {
  const { method = "POST", path, headers = {}, body = "" } = request;
  const connection = connectHttp2(baseUrl, { rejectUnauthorized: false });
  connection.on("error", () => {});
  try {
    const fields: OutgoingHttpHeaders = { ":method": method, ":path": path, ...headers };
    const stream = connection.request(fields);
    const answered = new Promise<RawAnswer | undefined>((resolve) => {
      const chunks: Uint8Array[] = [];
      let head: IncomingHttpHeaders | undefined;
      stream.on("response", (response) => {
        head = response;
      });
      stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      stream.on("error", () => resolve(undefined));
      stream.on("close", () => resolve(undefined));
      stream.on("end", () =>
        resolve(head && { status: Number(head[":status"]), headers: flat(head), body: Buffer.concat(chunks) }),
      );
    });
    stream.end(body);
    return await answered;
  } finally {
    connection.destroy();
  }
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

/** The HTTP versions and framings of one request, each with the listener that accepts it. */
export const CARRIERS = [
  { name: "HTTP/1.1 with a length", listener: "edge", send: (url: string, request: RawRequest) => http1(url, request) },
  { name: "HTTP/1.1 in chunks", listener: "edge", send: (url: string, request: RawRequest) => http1(url, request, true) },
  { name: "HTTP/2", listener: "edge", send: http2 },
  { name: "HTTP/2 on the gRPC listener", listener: "grpc", send: http2 },
] as const;
