import { command } from "../support/load-device.ts";
import type { Child } from "./child.ts";

const CONNECTIONS = 16;

/** The child's CPU time per request, in microseconds, over this many requests. */
export async function costOf(child: Child, requests: number): Promise<number> {
  const before = await child.cpuMicros();
  await send(child, requests);
  return ((await child.cpuMicros()) - before) / requests;
}

/** Sends this many new signed requests over a few connections. Resolves to the length of the last answer. */
export async function send(child: Pick<Child, "ready">, requests: number, connections = CONNECTIONS): Promise<number> {
  const bodies = Array.from({ length: requests }, () => command("bench-session-1", "user.profile.get"));
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
