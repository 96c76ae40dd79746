import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import type { HostileRequest } from "./ways.ts";

/** What came back. */
export interface HostileAnswer {
  /** 0: the connection or the stream was cut, without a word. */
  readonly status: number;
  /** Everything that was said: headers, body, trailers. */
  readonly text: string;
}

/** Sends one request and resolves when it has been answered, or cut; an answer that stays open is left after its first bytes. */
export interface HostileCarrier {
  send(request: HostileRequest): Promise<HostileAnswer>;
  close(): void;
}

const ANSWER_TIMEOUT_MS = 10_000;
const CUT: HostileAnswer = { status: 0, text: "" };
/** Only the answers to these stay open when all is well. */
const STAYS_OPEN = /\/(Watch|SubscribeEvents)$/;

class NoAnswer extends Error {
  constructor(path: string, headers: HostileRequest["headers"]) {
    super(`no answer within ${ANSWER_TIMEOUT_MS} ms: ${path} ${JSON.stringify(headers).slice(0, 500)}`);
  }
}

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

export function hostileCarrier(http: "1.1" | "2", baseUrl: string): HostileCarrier {
  return http === "1.1" ? overHttp1(baseUrl) : new OverHttp2(baseUrl);
}

function overHttp1(baseUrl: string): HostileCarrier {
  return {
    async send({ path, headers, body }) {
      const canceled = new AbortController();
      const signal = AbortSignal.any([canceled.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
      try {
        const response = await fetch(`${baseUrl}${path}`, { method: "POST", headers, body, signal });
        const parts = [JSON.stringify(Object.fromEntries(response.headers))];
        for await (const chunk of response.body ?? []) {
          parts.push(textOf(chunk));
          if (STAYS_OPEN.test(path)) break;
        }
        if (STAYS_OPEN.test(path)) canceled.abort();
        return { status: response.status, text: parts.join("\n") };
      } catch (error) {
        if (error instanceof Error && error.name === "TimeoutError") throw new NoAnswer(path, headers);
        return CUT;
      }
    },
    close() {},
  };
}

/** All on one connection, for as long as it lasts. */
class OverHttp2 implements HostileCarrier {
  readonly #baseUrl: string;
  #session: ClientHttp2Session | undefined;

  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl;
  }

  async send(request: HostileRequest): Promise<HostileAnswer> {
    const session = this.#open();
    try {
      return await answerOf(session, request);
    } catch (error) {
      if (this.#session === session) this.#session = undefined;
      session.destroy();
      if (error instanceof NoAnswer) throw error;
      return CUT;
    }
  }

  close(): void {
    this.#session?.destroy();
  }

  #open(): ClientHttp2Session {
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session;
    this.#session = connect(this.#baseUrl);
    this.#session.on("error", () => {});
    // Every stream waits for its end.
    this.#session.setMaxListeners(0);
    return this.#session;
  }
}

function answerOf(session: ClientHttp2Session, { path, headers, body }: HostileRequest): Promise<HostileAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
    const timer = setTimeout(() => {
      reject(new NoAnswer(path, headers));
      stream.close();
    }, ANSWER_TIMEOUT_MS);
    const parts: string[] = [];
    let status = 0;
    const take = (fields: IncomingHttpHeaders) => {
      status ||= Number(fields[":status"]) || 0;
      parts.push(JSON.stringify(fields));
    };
    stream.on("response", take);
    stream.on("trailers", take);
    stream.on("data", (chunk: Uint8Array) => {
      parts.push(textOf(chunk));
      if (STAYS_OPEN.test(path)) stream.close();
    });
    const settle = () => {
      clearTimeout(timer);
      session.off("close", settle);
      resolve({ status, text: parts.join("\n") });
    };
    // An answer may be whole before the request is: what is left of that need not be sent.
    stream.on("end", () => {
      settle();
      stream.close();
    });
    stream.on("close", settle);
    stream.on("error", () => {});
    session.once("close", settle);
    stream.end(body);
  });
}
