import { redactedKey } from "./problem.ts";
import { CONFIG_KEYS, type ConfigKey, variableOf } from "./schema.ts";
import { addText, type RawSetting, type SourceValues } from "./source.ts";
import { closest } from "./suggest.ts";
import { FILE_VARIABLE, PROFILE_VARIABLE, UPGRADE_VARIABLE } from "./variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "SALLYPORT_";
const NOT_SETTINGS: ReadonlySet<string> = new Set([FILE_VARIABLE, PROFILE_VARIABLE, UPGRADE_VARIABLE]);
const KEY_OF = new Map(CONFIG_KEYS.map((key) => [variableOf(key), key]));

/** Reads the settings of `SALLYPORT_*` variables. */
export function fromEnvironment(environment: Environment): SourceValues {
  const settings: RawSetting[] = [];
  const problems: string[] = [];
  const misspelt: ConfigKey[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(PREFIX) || NOT_SETTINGS.has(variable)) continue;
    const key = KEY_OF.get(variable);
    const origin = `variable ${variable}`;
    if (key !== undefined) addText({ key, text, origin }, settings, problems);
    else if (!isServiceLink(variable, text)) {
      const found = closest(variable, [...KEY_OF.keys(), ...NOT_SETTINGS]);
      const meant = found === undefined ? undefined : KEY_OF.get(found);
      if (meant !== undefined) misspelt.push(meant);
      const advice = found === undefined ? "; `sallyport config print` lists all keys" : ` (did you mean "${found}"?)`;
      problems.push(`${redactedKey(variable)}: unknown variable${advice}`);
    }
  }
  return { settings, problems, misspelt };
}

/**
 * Returns true if the variable looks as if Kubernetes or Docker had set it. Such a variable is not a setting. For a service named
 * "sallyport", Kubernetes and Docker set SALLYPORT_SERVICE_HOST, SALLYPORT_PORT=tcp://… and similar variables in containers.
 */
function isServiceLink(variable: string, text: string): boolean {
  if (/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(variable)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/.test(variable)) return true;
  return /_PORT(_\d+_(TCP|UDP|SCTP))?$/.test(variable) && /^(tcp|udp|sctp):\/\//.test(text);
}
