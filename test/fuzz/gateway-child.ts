import { join } from "node:path";
import { type Device, login } from "../support/world.ts";

/** A gateway and its backend in a child process, so that its CPU and memory can be measured. */
export interface GatewayChild {
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly device: Device;
  /** Memory after a garbage collection, and the errors in the log. */
  memory(): Promise<{ heapBytes: number; residentBytes: number; errors: string[] }>;
  /** CPU time so far, user and system. */
  cpuMicros(): Promise<number>;
  /** Resets the peak. Returns the resident bytes after a garbage collection. */
  forgetPeak(): Promise<number>;
  peakBytes(): Promise<number>;
  stop(): Promise<void>;
}

export type Port = "own-port" | "same-port";

export async function startGatewayChild(port: Port): Promise<GatewayChild> {
  const script = join(import.meta.dir, "children/gateway.ts");
  const child = Bun.spawn([process.execPath, script, port], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const lines = linesOf(child.stdout);
  const next = async () => JSON.parse((await lines.next()).value ?? "{}");
  const ask = (question: string) => {
    child.stdin.write(`${question}\n`);
    child.stdin.flush();
    return next();
  };
  const { edgeUrl, grpcUrl, backendUrl } = await next();
  return {
    edgeUrl,
    grpcUrl,
    device: await login(edgeUrl, backendUrl, "ada@example.com"),
    memory: () => ask("memory"),
    cpuMicros: () => ask("cpuMicros"),
    forgetPeak: () => ask("forgetPeak"),
    peakBytes: () => ask("peakBytes"),
    async stop() {
      child.stdin.end();
      const code = await child.exited;
      if (code !== 0) throw new Error(`the gateway ended with ${code}`);
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}
