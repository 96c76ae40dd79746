/** Fields of a route (`row`), and what authors of clients must know about them (`remarks`). */
export interface RouteFields {
  readonly row: Readonly<Record<string, string>>;
  readonly remarks: readonly string[];
}
