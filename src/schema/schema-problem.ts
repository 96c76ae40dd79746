/** Thrown if a schema cannot be used. The message is for operators, and names the file or the keyword. */
export class SchemaProblem extends Error {
  /** A text from the schema, by which the file can be found. It is set only if the message does not name the file. */
  readonly wrongText: string | undefined;

  constructor(message: string, wrongText?: string) {
    super(message);
    this.name = "SchemaProblem";
    this.wrongText = wrongText;
  }
}
