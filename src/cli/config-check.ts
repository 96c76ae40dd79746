import { openListeners } from "../app/exposure.ts";
import { foreignFiles } from "../app/foreign-files.ts";
import { runProbes } from "../app/probe/run.ts";
import { openSecretFiles } from "../app/secret-files.ts";
import { shortAnswers } from "../app/short-answers.ts";
import { startProblems } from "../app/start-checks.ts";
import { type Resolution, resolveConfig } from "../config/load.ts";
import { unboundedTwins } from "../config/route-conflicts.ts";
import { requireBackend, SERVE_RULES } from "../config/rules.ts";
import { earlyRotationMs } from "../config/rules-keys.ts";
import { unusedSetting } from "../config/rules-push.ts";
import type { ConfigKey } from "../config/schema.ts";
import { originOf, type RawSetting } from "../config/source.ts";
import type { Environment } from "../config/source-environment.ts";
import { systemClock } from "../core/clock.ts";
import { pathShown } from "../core/file-problem.ts";
import { KEY_SET_AGE_MS_MAX } from "../core/keys.ts";
import { KEEP_ANSWER_MS_ADVISED } from "../core/limits.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import type { Output } from "./output/output.ts";
import { printable } from "./output/printable.ts";
import { SERVE_DEFAULTS } from "./serve-defaults.ts";

export interface CheckOptions {
  /** The options `--config` and `--set`. */
  readonly argv: readonly string[];
  /** Default: the environment variables of this process. */
  readonly env?: Environment;
  readonly isProbing?: boolean;
}

type Verdict = "ok" | "warning" | "error";

/**
 * `sallyport config check`: prints each problem of the configuration on one line. With `isProbing`, also tests the servers, files
 * and ports that the configuration names.
 */
export async function checkConfig({ argv, env, isProbing = false }: CheckOptions, output: Output): Promise<ExitCode> {
  let secretConfigFile: string | undefined;
  const { config, problems, settings } = resolveConfig({
    ...{ argv, ...(env && { env }), overrides: SERVE_DEFAULTS, rules: SERVE_RULES },
    onSecretFile(path) {
      secretConfigFile = path;
    },
  });
  const errors = [...problems, ...startProblems(config)];
  for (const error of errors) await print(output, "error", error);
  for (const warning of warningsOf({ config, settings, secretConfigFile })) await print(output, "warning", warning);
  if (errors.length > 0) {
    if (isProbing) output.note("sallyport: nothing was probed, because the configuration is wrong");
    return EXIT.usage;
  }
  const count = settings.size === 1 ? "1 setting is" : `${settings.size} settings are`;
  await print(output, "ok", `the configuration is valid; ${count} set`);
  if (!isProbing) return EXIT.done;
  const findings = await runProbes(requireBackend(config));
  for (const { verdict, setting, text } of findings) await print(output, verdict, `${setting}: ${text}`);
  return findings.some(({ verdict }) => verdict === "error") ? EXIT.failed : EXIT.done;
}

interface CheckedConfig extends Pick<Resolution, "config" | "settings"> {
  /** The configuration file, if it contains secrets. */
  readonly secretConfigFile: string | undefined;
}

function warningsOf({ config, settings, secretConfigFile }: CheckedConfig): readonly string[] {
  const placed = (key: ConfigKey, unset: string) => {
    const setting = settings.get(key);
    return `${key}${setting === undefined ? unset : ` (${originOf(setting)})`}`;
  };
  const unused = unusedSetting(config);
  const rotationMs = earlyRotationMs(config, systemClock.now());
  return [
    ...openSecretFiles(config, secretConfigFile).map(
      ({ setting, file, mode, accessibleTo }) =>
        `${setting} (${file}): mode ${mode}, accessible to ${accessibleTo}; run chmod 600 on it`,
    ),
    ...foreignFiles(config).map(
      ({ setting, file }) =>
        `${placed(setting, "")}: ${pathShown(file)} is a file of another program; the start renames it to ${pathShown(`${file}.foreign`)}; choose another path, unless it may be renamed`,
    ),
    ...openListeners(config).map(
      (key) =>
        `${placed(key, " (default)")}: the listener is reachable from other machines and has no authentication; listen on 127.0.0.1, or on an address of a private network`,
    ),
    ...(unused === undefined
      ? []
      : [`${placed(unused.key, "")}: unused, because push.source is ${unused.source}: ${unused.instead}`]),
    ...unboundedTwins(config.routes).map(
      ({ index, messageType, bounded, missing }) =>
        `routes[${index}]${placeOf(settings.get("routes"), index)}: ${messageType} makes the same calls as ${bounded}, but without its ${missing.join(" and ")}; set the same in both, unless clients may avoid it`,
    ),
    ...shortAnswers(config).map(
      ({ index, messageType, keepAnswerMs }) =>
        `routes[${index}]${placeOf(settings.get("routes"), index)}: ${messageType} has keep_answer_ms ${keepAnswerMs}, but the client package repeats a command for up to ${KEEP_ANSWER_MS_ADVISED} ms, and a later repeat runs it again; set at least that, or keepAnswerMs of the clients`,
    ),
    ...(rotationMs === undefined
      ? []
      : [
          `${placed("keys.rotate_at", "")}: is in ${Math.ceil(rotationMs / 1000)} s, but clients may cache the public keys for ${KEY_SET_AGE_MS_MAX / 1000} s; choose a later time, unless every gateway has the next key already`,
        ]),
  ];
}

/** Returns the place of a row in brackets, after a space. Empty if the value has no source. */
function placeOf(setting: RawSetting | undefined, index: number): string {
  return setting === undefined ? "" : ` (${originOf(setting, [index])})`;
}

/** Number of characters of the longest `Verdict`. */
const VERDICT_WIDTH = 7;

function print(output: Output, verdict: Verdict, text: string): Promise<void> {
  const { good, value, bad } = output.style;
  const colour = { ok: good, warning: value, error: bad }[verdict];
  return output.write(`${colour(verdict.padEnd(VERDICT_WIDTH))}  ${printable(text)}\n`);
}
