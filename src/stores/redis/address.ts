const SCHEMES_WITH_SOCKET = /\+unix:$/;

/** Where a Redis URL leads, for logs and messages: nothing of its user and password. */
export function addressOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return "redis";
  if (SCHEMES_WITH_SOCKET.test(parsed.protocol)) return parsed.pathname;
  return `${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
}
