import type { Shell } from "./shell.ts";

interface Servers {
  readonly edgeUrl: string;
  /** The REST URL of the embedded backend. */
  readonly backendUrl: string;
}

/** The code of the newest mail to this address, from the outbox of the embedded backend. */
export async function codeFor(backendUrl: string, email: string): Promise<string> {
  const mails: { email: string; code: string }[] = await (await fetch(`${backendUrl}/dev/outbox`)).json();
  return mails.findLast((mail) => mail.email === email)?.code ?? "";
}

/** Logs the shell's default profile in, by the two commands of a script. Resolves to the id of the session. */
export async function logIn(shell: Shell, { edgeUrl, backendUrl }: Servers, email: string): Promise<string> {
  const started = await shell.run(`sallyport login --url ${edgeUrl} --email ${email}`);
  if (started.code !== 0) throw new Error(started.err);
  const { code, out, err } = await shell.run(`sallyport login --code ${await codeFor(backendUrl, email)}`);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out).device_session_id;
}
