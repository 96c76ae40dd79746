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
