/** Maximum number of characters of a child process's standard error that are kept for the log. */
const CHARS_MAX = 2000;

/** Copies a stream to standard error. When the stream ends, resolves to its last `CHARS_MAX` characters. */
export async function lastLines(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let kept = "";
  for await (const chunk of stream) {
    process.stderr.write(chunk);
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-CHARS_MAX);
  }
  return kept.trim();
}
