import { createServer as createHttp1 } from "node:http";
import { createServer as createH2c, createSecureServer, type ServerHttp2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { selfSigned } from "./certificates.ts";

/** A server of another kind than the gateway expects. */
export interface WrongServer {
  readonly port: number;
  stop(): void;
}

type Kind = "HTTP/1.1" | "HTTP/1.1 over TLS" | "h2c" | "HTTP/2 over TLS" | "silent" | "closing";

/** What the HTTP servers answer to every request. */
export interface FixedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const JSON_404: FixedAnswer = { status: 404, headers: { "content-type": "application/json" }, body: "{}" };
export const HTML: FixedAnswer = {
  status: 200,
  headers: { "content-type": "text/html" },
  body: "<!doctype html><title>x</title>",
};

export async function startWrongServer(kind: Kind, answer: FixedAnswer = JSON_404): Promise<WrongServer> {
  if (kind === "HTTP/1.1 over TLS") {
    const { certificate: cert, key } = await selfSigned("wrong.test");
    const { status, headers, body } = answer;
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert, key },
      fetch: () => new Response(body, { status, headers }),
    });
    return { port: server.port ?? 0, stop: () => void server.stop(true) };
  }
  const server = await createOf(kind, answer);
  const open = new Set<Socket | ServerHttp2Session>();
  const keep = (each: Socket | ServerHttp2Session) => {
    open.add(each);
    each.on("error", () => {});
  };
  server.on(kind.startsWith("h2c") || kind.startsWith("HTTP/2") ? "session" : "connection", keep);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    stop() {
      for (const each of open) each.destroy();
      server.close();
    },
  };
}

async function createOf(kind: Exclude<Kind, "HTTP/1.1 over TLS">, { status, headers, body }: FixedAnswer): Promise<Server> {
  if (kind === "silent") return createServer(() => {});
  if (kind === "closing") return createServer((socket) => socket.destroy());
  if (kind === "HTTP/1.1") return createHttp1((_, response) => response.writeHead(status, headers).end(body));
  if (kind === "h2c") return createH2c((_, response) => void response.writeHead(status, headers).end(body));
  const { certificate: cert, key } = await selfSigned("wrong.test");
  return createSecureServer({ cert, key }, (_, response) => void response.writeHead(status, headers).end(body));
}
