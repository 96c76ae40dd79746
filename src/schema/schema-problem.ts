/** A schema cannot be used. The message names the file or the keyword, for the operator. */
export class SchemaProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SchemaProblem";
  }
}
