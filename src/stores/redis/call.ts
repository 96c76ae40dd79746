/** Sends one command and resolves to its reply. Rejects with `RedisUnavailable`. */
export type RedisCall = (command: string, args: readonly string[]) => Promise<unknown>;

/** Redis gave no usable reply: it is unreachable, too slow, or refused the command. */
export class RedisUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RedisUnavailable";
  }
}

/** For `catch`: anything but `RedisUnavailable` is a bug and is thrown again. */
export function rethrowUnlessUnavailable(error: unknown): void {
  if (!(error instanceof RedisUnavailable)) throw error;
}

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
