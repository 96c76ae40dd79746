import { isIP } from "node:net";
import { parseAddress } from "../core/listen.ts";
import { type Decoder, decoder, list, optional, record } from "./decoder.ts";
import { httpUrl, int, text } from "./values.ts";

/** One row of `upstreams`. The fields have the same names as in the configuration file. */
export type UpstreamConfig = {
  /** The name in logs and metrics. */
  readonly name: string;
  readonly url: string;
  /** Share of the calls, relative to the other rows. Default: 1. */
  readonly weight?: number | undefined;
};

const UPSTREAMS_MAX = 64;
const WEIGHT_MAX = 1_000_000;
const DNS_SERVERS_MAX = 8;

const upstream = record<UpstreamConfig>(
  {
    name: text("1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'", /^[A-Za-z0-9._-]{1,64}$/),
    url: httpUrl,
    weight: optional(int("share of the calls", 0, WEIGHT_MAX)),
  },
  "an object with name and url, and optionally weight",
);

const rows = list(upstream, { plural: "upstreams", itemsMax: UPSTREAMS_MAX });

/** Decodes the upstreams. A name that occurs twice is rejected. */
export const upstreams: Decoder<readonly UpstreamConfig[]> = {
  ...rows,
  decode(raw) {
    const decoded = rows.decode(raw);
    if (!decoded.ok) return decoded;
    const names = decoded.value.map(({ name }) => name);
    const problems = names.flatMap((name, at) =>
      names.indexOf(name) < at ? [{ at: [at, "name"], text: `got "${name}" a second time, expected each once` }] : [],
    );
    return problems.length > 0 ? { ok: false, problems } : decoded;
  },
};

const dnsServer: Decoder<string> = decoder(
  'an IP address, with or without a port, such as "10.0.0.10:53" or "[fd00::a]:53"',
  (raw) => (typeof raw === "string" && isDnsServer(raw) ? raw : undefined),
  { schema: { type: "string", pattern: "^[0-9A-Fa-f:.\\[\\]]+$" } },
);

export const dnsServers = list(dnsServer, { plural: "DNS servers", itemsMax: DNS_SERVERS_MAX });

function isDnsServer(raw: string): boolean {
  if (isIP(raw) !== 0) return true;
  const address = parseAddress(raw);
  return address !== undefined && address.port > 0 && isIP(address.host) !== 0;
}
