export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end, whatever its exit code. */
export async function outcomeOf(command: readonly string[], { cwd, env }: RunOptions = {}): Promise<Ended> {
  const child = Bun.spawn([...command], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** Runs a command and resolves to its standard output. Rejects if the exit code is not 0. */
export async function runToEnd(command: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await outcomeOf(command, options);
  if (code !== 0) throw new Error(`${command.join(" ")} exited with ${code}\n${stdout}${stderr}`);
  return stdout;
}
