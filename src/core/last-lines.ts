/** Number of characters of standard error that are kept for the log. */
const CHARS_MAX = 2000;

/** Passes the standard error of a child process on. Resolves to its last lines when it ends. */
export async function lastLines(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let kept = "";
  for await (const chunk of stream) {
    process.stderr.write(chunk);
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-CHARS_MAX);
  }
  return kept.trim();
}
