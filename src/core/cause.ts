/** Causes of causes beyond this say nothing new. */
const DEPTH_MAX = 4;

/** What was thrown and what lay behind it, in one line for the log: it may name what no client is to know. */
export function describeCause(cause: unknown): string {
  const parts: string[] = [];
  for (
    let each = cause;
    each !== undefined && parts.length < DEPTH_MAX;
    each = each instanceof Error ? each.cause : undefined
  ) {
    parts.push(each instanceof Error ? `${each.name}: ${each.message}` : String(each));
  }
  return parts.join(" < ");
}
