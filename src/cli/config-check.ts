import { openSecretFiles } from "../app/secret-files.ts";
import { startProblems } from "../app/start-checks.ts";
import { resolveConfig } from "../config/load.ts";
import { SERVE_RULES } from "../config/rules.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import type { Output } from "./output/output.ts";
import { printable } from "./output/printable.ts";
import { SERVE_DEFAULTS } from "./serve-defaults.ts";

type Verdict = "ok" | "warning" | "error";

/** `sallyport config check`: prints each problem of the configuration on one line. */
export async function checkConfig(argv: readonly string[], output: Output): Promise<ExitCode> {
  let secretConfigFile: string | undefined;
  const { config, problems, settings } = resolveConfig({
    ...{ argv, overrides: SERVE_DEFAULTS, rules: SERVE_RULES },
    onSecretFile(path) {
      secretConfigFile = path;
    },
  });
  const errors = [...problems, ...startProblems(config)];
  const open = openSecretFiles(config, secretConfigFile);
  for (const error of errors) await print(output, "error", error);
  for (const { setting, file, mode, accessibleTo } of open) {
    await print(output, "warning", `${setting} (${file}): mode ${mode}, accessible to ${accessibleTo}; run chmod 600 on it`);
  }
  if (errors.length > 0) return EXIT.usage;
  const count = settings.size === 1 ? "1 setting is" : `${settings.size} settings are`;
  await print(output, "ok", `the configuration is valid; ${count} set`);
  return EXIT.done;
}

/** Width of the longest verdict. */
const VERDICT_WIDTH = 7;

function print(output: Output, verdict: Verdict, text: string): Promise<void> {
  const { good, value, bad } = output.style;
  const colour = { ok: good, warning: value, error: bad }[verdict];
  return output.write(`${colour(verdict.padEnd(VERDICT_WIDTH))}  ${printable(text)}\n`);
}
