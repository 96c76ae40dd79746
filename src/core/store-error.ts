/** A store that the gateway cannot start with. One line, for the person who starts it; nothing secret in it. */
export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
