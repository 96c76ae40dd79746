/** Thrown if an operation cannot be converted to a route. The message is the reason, as a phrase. */
export class NotExpressible extends Error {
  override readonly name = "NotExpressible";
}
