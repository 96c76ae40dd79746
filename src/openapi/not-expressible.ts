/** Thrown if an operation has no counterpart in a route. The message is the reason, as a phrase. */
export class NotExpressible extends Error {
  override readonly name = "NotExpressible";
}
