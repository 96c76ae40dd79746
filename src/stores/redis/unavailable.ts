/** Redis gave no answer to go by: it is away, too slow, or will not do what it was asked. */
export class RedisUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RedisUnavailable";
  }
}
