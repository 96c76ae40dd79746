import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Shell } from "../../support/cli/shell.ts";
import { Terminal } from "../../support/cli/terminal.ts";

/** The completion scripts in real shells at a terminal: a person types, presses the tabulator key, then Enter. */

let shell: Shell;
beforeAll(() => {
  shell = new Shell();
  for (const [profile, types] of [
    ["bob", ["user.profile.get", "chat.message.send"]],
    ["ada-2", ["order.place"]],
  ] as const) {
    const folder = join(shell.config, "profiles", profile);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, "message-types.json"), JSON.stringify({ message_types: types }), { mode: 0o600 });
  }
  writeFileSync(join(shell.folder, "payload.json"), "{}");
});
afterAll(() => shell.close());

/** Runs `sallyport` only for completion. Another call of it prints its arguments, each in angle brackets. */
const STAND_IN = `sallyport() { if [ "$1 $2" = "completion candidates" ]; then command sallyport "$@"; else printf '<%s>' "$@"; echo; fi; }`;

/** How to start each shell without the settings of its user, and how to load the script. */
const SHELLS = {
  bash: {
    start: ["bash", "--norc", "--noprofile", "-i"],
    load: ["PS1='ready> '", "source <(sallyport completion bash)", STAND_IN],
  },
  zsh: {
    start: ["zsh", "-f", "-i"],
    load: ["PS1='ready> '", "autoload -Uz compinit && compinit -u", "source <(sallyport completion zsh)", STAND_IN],
  },
  fish: {
    start: ["fish", "--no-config", "-i"],
    load: [
      "function fish_prompt; printf 'ready> '; end",
      "sallyport completion fish | source",
      'function sallyport; if test "$argv[1..2]" = "completion candidates"; command sallyport $argv; else; printf \'<%s>\' $argv; echo; end; end',
    ],
  },
} as const;

/** What is typed before the tabulator key, and the arguments of the command after it. */
const CASES: readonly (readonly [typed: string, args: string])[] = [
  ["wh", "<whoami>"],
  ["comp", "<completion>"],
  ["completion z", "<completion><zsh>"],
  ["help keyg", "<help><keygen>"],
  ["call --idem", "<call><--idempotency-key>"],
  ["login --key-algorithm ES", "<login><--key-algorithm><ES256>"],
  ["login --key-algorithm=ES", "<login><--key-algorithm=ES256>"],
  ["whoami --profile b", "<whoami><--profile><bob>"],
  ["logout --profile=ada", "<logout><--profile=ada-2>"],
  ["call --profile bob chat.", "<call><--profile><bob><chat.message.send>"],
  ["call --profile ada-2 or", "<call><--profile><ada-2><order.place>"],
  ["call user.profile.update @pay", "<call><user.profile.update><@payload.json>"],
  ["keygen --out pay", "<keygen><--out><payload.json>"],
  ["serve --set freshness.w", "<serve><--set><freshness.window_ms=>"],
];

/** Without the rc file, bash on the path of this machine finds no completion of its own. */
describe.each(Object.entries(SHELLS))("%s", (name, { start, load }) => {
  const isInstalled = Bun.which(name) !== null;
  const skip = !isInstalled && process.env["CI"] === undefined;

  test.skipIf(skip)(
    `completes commands, options, values and files (skipped if ${name} is not installed)`,
    async () => {
      const terminal = new Terminal(shell, start, { env: { SHELL: `/bin/${name}` } });
      for (const line of load) terminal.type(`${line}\r`);
      terminal.type("echo loa''ded\r");
      await terminal.expect("loaded");
      for (const [typed, args] of CASES) {
        terminal.type(`sallyport ${typed}\t\r`);
        await terminal.expect(args);
      }
      terminal.type("exit\r");
      expect(await terminal.end()).toBe(0);
    },
    60_000,
  );

  test.skipIf(skip)(
    `lists what begins alike (skipped if ${name} is not installed)`,
    async () => {
      const terminal = new Terminal(shell, start, { env: { SHELL: `/bin/${name}` } });
      for (const line of load) terminal.type(`${line}\r`);
      terminal.type("echo loa''ded\r");
      await terminal.expect("loaded");
      terminal.type("sallyport lo\t\t\t");
      await terminal.expect("logout");
      terminal.type("\x15exit\r");
      await terminal.end();
    },
    60_000,
  );
});
