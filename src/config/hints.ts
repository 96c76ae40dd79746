import { isIP } from "node:net";

/**
 * Advice for frequent mistakes in the values of settings. Each function returns what to write instead, or `undefined`. No advice
 * quotes a text that may be a secret.
 */

/**
 * For each unit of a setting: the units that operators write after a number, with their factors. Example: in a setting with the
 * unit `ms`, `5s` means 5 times 1000.
 */
const UNITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ms: { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 },
  seconds: { s: 1, m: 60, min: 60, h: 3600, d: 86_400 },
  bytes: {
    B: 1,
    kB: 1000,
    KB: 1024,
    K: 1024,
    k: 1024,
    KiB: 1024,
    M: 1024 ** 2,
    MB: 1024 ** 2,
    MiB: 1024 ** 2,
    G: 1024 ** 3,
    GB: 1024 ** 3,
    GiB: 1024 ** 3,
  },
};

/**
 * Returns advice for a number with a unit, such as `5s`, or for a number in quotation marks. `accepts`: whether the setting accepts
 * a number. Returns `undefined` if the setting does not accept the number of the advice.
 */
export function numberHint(raw: unknown, unit: string, accepts: (number: number) => boolean): string | undefined {
  if (typeof raw !== "string") return undefined;
  const [, digits = "", suffix = ""] = /^(\d{1,12}(?:\.\d{1,9})?)\s?([A-Za-z%]{0,3})$/.exec(raw.trim()) ?? [];
  if (digits === "") return undefined;
  const factor = suffix === "" ? 1 : UNITS[unit]?.[suffix];
  const number = Number(digits) * (factor ?? 1);
  if (!accepts(number)) return undefined;
  return `write ${factor === undefined ? "the number" : `${number},`} without unit and quotation marks`;
}

const TRUE = /^(true|yes|on|1|enabled)$/i;
const FALSE = /^(false|no|off|0|disabled)$/i;

/** Returns advice for another spelling of `true` or `false`, such as `yes`. */
export function booleanHint(raw: unknown): string | undefined {
  const text = typeof raw === "string" || typeof raw === "number" ? String(raw).trim() : "";
  if (TRUE.test(text)) return "write true";
  return FALSE.test(text) ? "write false" : undefined;
}

/** Matches a value in quotation marks. Some programs that read env files keep the quotation marks as a part of the value. */
const QUOTED = /^(["'“”‘’]).*["'“”‘’]$/s;
const OWN_QUOTES = "the value itself begins with a quotation mark; remove the quotation marks";

export function urlHint(raw: unknown): string | undefined {
  if (typeof raw !== "string" || raw === "") return undefined;
  const text = raw.trim();
  if (QUOTED.test(text)) return OWN_QUOTES;
  if (/^(grpc|grpcs|h2c|tcp|ws|wss):\/\//i.test(text)) {
    return /^(grpcs|wss):/i.test(text) ? "write https:// as the scheme" : "write http:// as the scheme, or https:// for TLS";
  }
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\//i.test(text)) return "write http:// or https:// as the scheme";
  if (!/^https?:/i.test(text)) return "write http:// or https:// before the host";
  if (!/^https?:\/\/[^/]/i.test(text)) return "write two slashes and a host after the scheme";
  const url = URL.parse(text);
  if (url === null) return "write a host, and after it a port from 1 to 65535 or none";
  if (url.username !== "" || url.password !== "") return "remove user and password; a bearer token has its own setting";
  return "remove everything from the ? or # on";
}

const PORT_TOO_HIGH = "the port is above 65535";

export function listenHint(raw: unknown): string | undefined {
  const text = typeof raw === "string" || typeof raw === "number" ? String(raw).trim() : "";
  if (QUOTED.test(text)) return OWN_QUOTES;
  const [, port] = /^(?:\*?:)?(\d{1,5})$/.exec(text) ?? [];
  if (Number(port) > 65_535) return PORT_TOO_HIGH;
  if (port !== undefined) return `write "127.0.0.1:${port}", or "0.0.0.0:${port}" for all addresses of this machine`;
  if (Number(/:(\d{1,9})$/.exec(text)?.[1]) > 65_535) return PORT_TOO_HIGH;
  if (/^[a-z0-9+]+:\/\//i.test(text)) return "remove the scheme before the host, and everything after the port";
  const at = text.lastIndexOf(":");
  if (isIP(text.slice(0, at)) === 6 && /^\d{1,5}$/.test(text.slice(at + 1)))
    return `write "[${text.slice(0, at)}]:${text.slice(at + 1)}"`;
  return /:\d+$/.test(text) || text === "" ? undefined : "add a colon and the port";
}

/** Matches a text that looks like an IP address, then a slash, then a prefix length or a netmask. */
const BLOCK = /^([0-9A-Fa-f:.]+)\/([0-9.]+)$/;

export function cidrHint(raw: unknown): string | undefined {
  if (typeof raw !== "string") return undefined;
  const [, address = "", bits = ""] = BLOCK.exec(raw.trim()) ?? [];
  if (bits.includes(".")) return "write the length of the prefix, such as /8, instead of a netmask";
  if (isIP(address) === 4) return "the prefix length of an IPv4 range is at most 32";
  if (isIP(address) === 6) return "the prefix length of an IPv6 range is at most 128";
  if (address !== "") return "the address is incomplete; IPv4 has four numbers, such as 10.0.0.0/8";
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(raw.trim()) ? "names are not resolved; write addresses" : undefined;
}
