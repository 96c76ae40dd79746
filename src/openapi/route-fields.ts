/** Fields of a route, and what writers of clients must know about them. */
export interface RouteFields {
  readonly row: Readonly<Record<string, string>>;
  readonly remarks: readonly string[];
}
