/** A part of a page: text that is only read, or a block of code. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  /** Commands that run to their end, or a program that keeps running in a terminal of its own. */
  | { readonly kind: "setup" | "terminal"; readonly text: string; readonly lines: string }
  /** Commands after a prompt, each with its output. */
  | { readonly kind: "session"; readonly text: string; readonly commands: readonly string[] }
  /** What the program that was started last prints. */
  | { readonly kind: "output"; readonly text: string };

const BLOCK = /^(```(\w*)\n[\s\S]*?^```\n)/m;
const COMMAND = /^\$ ((?:.*\\\n)*.*)$/gm;

/** Splits the page of an example into its parts. Their texts together are the page. The first block `sh` is the setup. */
export function partsOf(markdown: string): readonly Part[] {
  const pieces = markdown.split(BLOCK);
  let isSetUp = false;
  return pieces.flatMap((text, index): Part[] => {
    if (index % 3 === 2) return [];
    const language = index % 3 === 1 ? pieces[index + 1] : undefined;
    if (language === "sh") {
      const kind = isSetUp ? "terminal" : "setup";
      isSetUp = true;
      return [{ kind, text, lines: text.slice("```sh\n".length, -"```\n".length) }];
    }
    if (language === "") return [{ kind: "session", text, commands: [...text.matchAll(COMMAND)].map(([, line = ""]) => line) }];
    return [{ kind: language === "json" ? "output" : "text", text }];
  });
}
