/** Thrown if a schema cannot be used. The message is for operators, and names the file or the keyword. */
export class SchemaProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SchemaProblem";
  }
}
