/** Commands whose answers are lost on the way, and the proof that each is executed once. */

/** The backend's record of executed commands, by the number of the command. */
export class ExecutionLedger {
  readonly #executions = new Map<number, string[]>();

  /** Records an execution. Returns its unique receipt, which the backend's answer must contain. */
  execute(command: number): string {
    const receipts = this.#executions.get(command) ?? [];
    const receipt = crypto.randomUUID();
    this.#executions.set(command, [...receipts, receipt]);
    return receipt;
  }

  receiptsOf(command: number): readonly string[] {
    return this.#executions.get(command) ?? [];
  }
}

export interface LostAnswersRun {
  readonly commands: number;
  /** How many commands are in progress at a time. */
  readonly concurrency: number;
  readonly ledger: ExecutionLedger;
  /** Sends a command, with as many attempts as it needs. Resolves to the receipt in its answer. */
  readonly deliver: (command: number) => Promise<string>;
}

/** What went wrong, as one text per command. It is empty if each command was executed once and its caller got the one answer. */
export async function deliverAll({ commands, concurrency, ledger, deliver }: LostAnswersRun): Promise<string[]> {
  const problems: string[] = [];
  const numbers = Array.from({ length: commands }, (_, command) => command).values();
  const worker = async () => {
    for (const command of numbers) {
      const receipt = await deliver(command).catch((error) => `failed: ${error}`);
      const executed = ledger.receiptsOf(command);
      if (executed.length !== 1) problems.push(`command ${command} was executed ${executed.length} times`);
      else if (executed[0] !== receipt) problems.push(`command ${command} was answered with ${receipt}, not ${executed[0]}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  // An execution that was late would be missed above.
  for (let command = 0; command < commands; command++) {
    const times = ledger.receiptsOf(command).length;
    if (times !== 1) problems.push(`at the end, command ${command} was executed ${times} times`);
  }
  return problems;
}
