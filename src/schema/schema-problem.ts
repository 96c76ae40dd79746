/** Thrown if a schema cannot be used. The message is for operators, and names the file or the keyword. */
export class SchemaProblem extends Error {
  /** The text in the schema that is wrong, if the message does not name its file. */
  readonly wrongText: string | undefined;

  constructor(message: string, wrongText?: string) {
    super(message);
    this.name = "SchemaProblem";
    this.wrongText = wrongText;
  }
}
