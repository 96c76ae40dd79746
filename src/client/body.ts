import { joinBytes } from "./bytes.ts";

/**
 * Returns true if the `fetch` of the platform can deliver a body while it arrives. React Native's `fetch` delivers only whole
 * bodies, and its responses have no `body`. jsdom has no `Response`.
 */
export function canStreamBodies(): boolean {
  return typeof Response === "function" && "body" in Response.prototype;
}

/**
 * Reads a body. Resolves to `undefined` as soon as the body exceeds `bytesMax`, and cancels the rest. A response without `body`
 * is read as a whole before its size is checked.
 */
export async function readBody(response: Response, bytesMax: number): Promise<Uint8Array | undefined> {
  if (!response.body) {
    const whole = new Uint8Array(await response.arrayBuffer());
    return whole.byteLength > bytesMax ? undefined : whole;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response.body)) {
    size += chunk.byteLength;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return joinBytes(chunks, size);
}

/**
 * Yields the chunks of a body. Cancels the body if the iteration ends early. This function exists because some browsers cannot
 * iterate over a `ReadableStream`.
 */
export async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader();
  try {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) yield read.value;
  } finally {
    reader?.cancel().catch(() => {});
  }
}
