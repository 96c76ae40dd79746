import { writeFileSync } from "node:fs";
import { errorCode } from "../core/cause.ts";
import { whyUnreadable } from "../core/file-problem.ts";
import { privateKeyObject, rawPublicKey } from "../crypto/ed25519.ts";
import { publicJwk } from "../crypto/key-ring.ts";

const SEED_BYTES = 32;
const USAGE = "usage: sallyport keygen [--out FILE]";

export const HELP = `${USAGE}

Generates a signing key for the gateway. Prints the seed, the public key, and the key id (kid) by which clients select the key.

  --out FILE   write the seed to a new file with mode 0600 instead of printing it

Example:

  sallyport keygen --out current.key
  sallyport serve --config gateway.toml --set keys.current_file=current.key`;

/** `sallyport keygen`: generates a signing key for the gateway. */
export async function run(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (typeof options === "string") {
    console.error(`sallyport keygen: ${options}; ${USAGE}`);
    return 2;
  }
  const seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES));
  const text = Buffer.from(seed).toString("base64");
  if (options.out !== undefined) {
    const problem = writeNewFile(options.out, `${text}\n`);
    if (problem !== undefined) {
      console.error(`sallyport keygen: ${problem}`);
      return 1;
    }
  }
  console.log(describe(seed, text, options.out));
  return 0;
}

/** Returns the options, or a description of the problem. The description quotes no argument, because an argument may be a seed. */
function parse(args: readonly string[]): { readonly out: string | undefined } | string {
  let out: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const [, inline] = /^--out=(.*)$/s.exec(args[at] ?? "") ?? [];
    if (inline === undefined && args[at] !== "--out") return `argument ${at + 1} is unknown`;
    out = inline ?? args[++at];
    if (!out || out.startsWith("-")) return "--out needs a file";
  }
  return { out };
}

/** Creates a file with mode 0600. Never overwrites a file. Returns the problem, or `undefined` if the file was created. */
function writeNewFile(path: string, content: string): string | undefined {
  try {
    writeFileSync(path, content, { flag: "wx", mode: 0o600, flush: true });
    return undefined;
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") {
      return `${path} already exists; keys are never overwritten`;
    }
    return `${path} cannot be written: ${whyUnreadable(cause)}`;
  }
}

function describe(seed: Uint8Array, text: string, out: string | undefined): string {
  const jwk = publicJwk(rawPublicKey(privateKeyObject(seed)));
  const lines = [
    out === undefined ? `seed        ${text}` : `seed        in ${out}`,
    `public key  ${jwk.x}`,
    `kid         ${jwk.kid}`,
    "",
    out === undefined
      ? `Keep the seed secret. Set it as SALLYPORT_KEYS_CURRENT=${text} or as keys.current in the configuration file.`
      : `Keep the file secret. Set it as SALLYPORT_KEYS_CURRENT_FILE=${out} or as keys.current_file in the configuration file.`,
    "To rotate keys: publish the new key as keys.next first. When clients know it, make it keys.current, and the old key keys.previous.",
  ];
  return lines.join("\n");
}
