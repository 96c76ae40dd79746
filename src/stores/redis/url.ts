const SOCKET_SCHEME = /\+unix:$/;

/** Whether the URL's scheme is `rediss:`, Redis over TLS. */
export function usesTls(url: string): boolean {
  return url.startsWith("rediss:");
}

/** The address in a Redis URL, for logs and messages, without user and password. */
export function addressOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return "redis";
  if (SOCKET_SCHEME.test(parsed.protocol)) return parsed.pathname;
  return `${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
}
