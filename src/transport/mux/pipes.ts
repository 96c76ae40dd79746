import type { Socket } from "node:net";
import { RestError, type RestErrorCode } from "../../core/rest-reply.ts";
import { RequestGate } from "./request-gate.ts";
import { ResponseTracker } from "./response-tracker.ts";

/**
 * Forwards bytes between a client and a server, with backpressure in both directions.
 *
 * `client` must be paused. `first` contains the bytes that were already read from `client`. `server` must be connected.
 */
export type Pipe = (client: Socket, server: Socket, first: Buffer) => void;

/** Forwards bytes unchanged. */
export const pipeBytes: Pipe = (client, server, first) => {
  server.write(first);
  client.pipe(server);
  server.pipe(client);
};

/** Forwards HTTP/1.1 requests one at a time, through a `RequestGate`. Forwards responses unchanged. */
export const pipeRequests: Pipe = (client, server, first) => {
  const gate = new RequestGate({
    forward: (bytes) => server.write(bytes),
    refuse(status) {
      client.end(refusalOf(status));
      server.destroySoon();
    },
    close() {
      client.end();
      server.destroySoon();
    },
  });
  const answers = new ResponseTracker(
    () => gate.method,
    () => gate.answered(),
  );
  const resumeClient = () => {
    if (client.isPaused() && !gate.isHolding && !server.writableNeedDrain) client.resume();
  };
  client.on("data", (chunk: Buffer) => {
    gate.push(chunk);
    if (gate.isHolding || server.writableNeedDrain) client.pause();
  });
  server.on("data", (chunk: Buffer) => {
    if (!client.write(chunk)) server.pause();
    answers.push(chunk);
    resumeClient();
  });
  client.on("drain", () => server.resume());
  server.on("drain", resumeClient);
  client.once("end", () => server.end());
  server.once("end", () => client.end());
  gate.push(first);
  resumeClient();
};

const REFUSALS = {
  400: "invalid_request",
  431: "header_fields_too_large",
  501: "not_implemented",
} as const satisfies Record<number, RestErrorCode>;

const STATUS_TEXTS = { 400: "Bad Request", 431: "Request Header Fields Too Large", 501: "Not Implemented" } as const;

function refusalOf(status: keyof typeof REFUSALS): string {
  const { message } = new RestError(REFUSALS[status]);
  const body = JSON.stringify({ code: REFUSALS[status], message });
  const fields = [
    "Content-Type: application/json",
    "Cache-Control: no-store",
    `Content-Length: ${body.length}`,
    "Connection: close",
  ];
  return [`HTTP/1.1 ${status} ${STATUS_TEXTS[status]}`, ...fields, "", body].join("\r\n");
}
