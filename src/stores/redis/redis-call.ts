/** Sends one command and resolves to its reply. Rejects with `RedisUnavailable`. */
export type RedisCall = (command: string, args: readonly string[]) => Promise<unknown>;

/** Thrown if Redis gave no usable reply: it is unreachable, too slow, or refused the command. */
export class RedisUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RedisUnavailable";
  }
}

/** For `catch` blocks. Rethrows every error except `RedisUnavailable`, because any other error is a bug. */
export function rethrowUnlessUnavailable(error: unknown): void {
  if (!(error instanceof RedisUnavailable)) throw error;
}

const SOCKET_SCHEME = /\+unix:$/;

/** Whether the URL's scheme is `rediss:`, Redis over TLS. */
export function usesTls(url: string): boolean {
  return url.startsWith("rediss:");
}

/** Returns the address of a Redis URL, without user and password, for logs and messages. */
export function addressOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return "redis";
  if (SOCKET_SCHEME.test(parsed.protocol)) return parsed.pathname;
  return `${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
}
