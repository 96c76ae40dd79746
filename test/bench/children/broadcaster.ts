/**
 * A minimal broadcaster on Bun.serve: one stream per client, and the same bytes to all of them on `POST /push`. The parameter holds the bytes
 * in base64.
 */
import { answerParent, parameters } from "../child.ts";

const { frame: base64 } = parameters<{ frame: string }>();
const frame = new Uint8Array(Buffer.from(base64, "base64"));
const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  http2: true,
  fetch(request, { timeout }) {
    if (new URL(request.url).pathname === "/push") {
      for (const stream of streams) stream.enqueue(frame);
      return new Response();
    }
    timeout.call(server, request, 0);
    let own: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller;
        streams.add(controller);
        controller.enqueue(new Uint8Array(5));
      },
      cancel: () => void (own && streams.delete(own)),
    });
    return new Response(body, { headers: { "content-type": "application/connect+proto" } });
  },
});
answerParent({ port: server.port ?? 0 });
