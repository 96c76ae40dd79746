import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  /** The trailers, or the headers if the answer has only one block (gRPC trailers-only). */
  readonly trailers: Readonly<Record<string, string>>;
}

/** Sends one request. Rejects without an answer. */
export type Send = (path: string, headers: Readonly<Record<string, string>>, body: Uint8Array<ArrayBuffer>) => Promise<Answer>;

/** An HTTP version. */
export interface Carrier {
  readonly send: Send;
  close(): void;
}

const ANSWER_TIMEOUT_MS = 5000;

export function overHttp1(baseUrl: string): Carrier {
  return {
    async send(path, headers, body) {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const response = await fetch(`${baseUrl}${path}`, { method: "POST", headers, body, signal });
      return { status: response.status, body: await response.bytes(), trailers: {} };
    },
    close() {},
  };
}

/** Sends all requests on one connection. */
export function overHttp2(baseUrl: string): Carrier {
  const connection = connect(baseUrl);
  connection.on("error", () => {});
  return { send: (path, headers, body) => request(connection, path, headers, body), close: () => connection.destroy() };
}

function request(connection: ClientHttp2Session, path: string, headers: object, body: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = connection.request({ ":method": "POST", ":path": path, ...headers });
    const timer = setTimeout(() => reject(new Error("no answer in time")), ANSWER_TIMEOUT_MS);
    const chunks: Uint8Array[] = [];
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders | undefined;
    stream.on("response", (fields) => {
      head = fields;
    });
    stream.on("trailers", (fields) => {
      trailers = fields;
    });
    stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      clearTimeout(timer);
      const status = Number(head[":status"]);
      if (Number.isNaN(status)) reject(new Error(`the stream was closed with ${stream.rstCode}`));
      else resolve({ status, body: Buffer.concat(chunks), trailers: flat(trailers ?? head) });
    });
    stream.end(body);
  });
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
