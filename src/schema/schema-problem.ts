/** Thrown if a schema cannot be used. The message is for operators, and names the file or the keyword. */
export class SchemaProblem extends Error {
  /** The wrong text in the schema. Set if the message does not name the file, so that the file can be found by the text. */
  readonly wrongText: string | undefined;

  constructor(message: string, wrongText?: string) {
    super(message);
    this.name = "SchemaProblem";
    this.wrongText = wrongText;
  }
}
