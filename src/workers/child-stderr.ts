/** Maximum number of characters that are kept of each end of a text. The first lines of a panic name its cause. */
const HEAD_CHARS_MAX = 900;
const TAIL_CHARS_MAX = 900;

/**
 * Copies the standard error of a child process to that of this process. When the stream ends, resolves to its first and last
 * characters.
 */
export async function copyStderr(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let head = "";
  let tail = "";
  let chars = 0;
  for await (const chunk of stream) {
    process.stderr.write(chunk);
    const text = decoder.decode(chunk, { stream: true });
    chars += text.length;
    const free = HEAD_CHARS_MAX - head.length;
    head += text.slice(0, free);
    tail = (tail + text.slice(free)).slice(-TAIL_CHARS_MAX);
  }
  const isWhole = chars <= HEAD_CHARS_MAX + TAIL_CHARS_MAX;
  // A cut may split a surrogate pair.
  return (isWhole ? head + tail : `${head}\n…\n${tail}`).trim().toWellFormed();
}
