import { command } from "../support/load-device.ts";
import type { Child } from "./child.ts";

const CONNECTIONS = 16;

/** What each request of a load sends. */
export interface Load {
  readonly messageType: string;
  readonly payloadBytes: Uint8Array<ArrayBuffer>;
}

interface SendOptions {
  readonly load?: Load;
  readonly connections?: number;
}

const PROFILE: Load = { messageType: "user.profile.get", payloadBytes: new Uint8Array(0) };

/** The child's CPU time per request, in microseconds, over this many requests. */
export async function costOf(child: Child, requests: number, load?: Load): Promise<number> {
  const before = await child.cpuMicros();
  await send(child, requests, load && { load });
  return ((await child.cpuMicros()) - before) / requests;
}

/** Sends this many new signed requests over a few connections. Resolves to the length of the last answer. */
export async function send(child: Pick<Child, "ready">, requests: number, options: SendOptions = {}): Promise<number> {
  const { load = PROFILE, connections = CONNECTIONS } = options;
  const bodies = Array.from({ length: requests }, () => command("bench-session-1", load.messageType, load.payloadBytes));
  const url = `http://127.0.0.1:${child.ready.port}/sallyport.v1.Gateway/ExecuteCommand`;
  let replyBytes = 0;
  const connection = async () => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      const response = await fetch(url, { method: "POST", body, headers: { "content-type": "application/proto" } });
      const reply = await response.bytes();
      if (!response.ok) throw new Error(`${response.status} ${new TextDecoder().decode(reply)}`);
      replyBytes = reply.byteLength;
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return replyBytes;
}
