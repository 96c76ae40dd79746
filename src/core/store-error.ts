/** The gateway cannot start with this store. The one-line message is for operators and holds no secrets. */
export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
