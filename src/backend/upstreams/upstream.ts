import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import type { Credentials } from "./credentials.ts";
import { HealthCheck } from "./health-check.ts";
import { NameWatch } from "./name-watch.ts";
import type { DnsSettings, HealthSettings, UpstreamRow } from "./settings.ts";
import { UpstreamAddress } from "./upstream-address.ts";
import { UpstreamUrl } from "./upstream-url.ts";

export interface UpstreamParts {
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when the addresses or their health have changed. */
  readonly onChange: () => void;
}

interface UpstreamOptions {
  readonly dns: DnsSettings;
  readonly health: HealthSettings | undefined;
}

/** One upstream, with its current addresses. */
export class Upstream {
  readonly name: string;
  /** Share of the calls, relative to the other upstreams. The addresses of the upstream divide this share equally. */
  weight: number;
  /** Resolves when the addresses are known or the first DNS look-up has failed. */
  readonly ready: Promise<void>;
  readonly #url: UpstreamUrl;
  readonly #parts: UpstreamParts;
  readonly #options: UpstreamOptions;
  readonly #watch: NameWatch | undefined;
  #addresses: readonly UpstreamAddress[] = [];
  readonly #checks = new Map<UpstreamAddress, HealthCheck>();

  /** `previous` is the upstream that this one replaces. It has the same URL, and its addresses stay in use. */
  constructor(row: UpstreamRow, options: UpstreamOptions, parts: UpstreamParts, previous?: Upstream) {
    this.name = row.name;
    this.weight = row.weight;
    this.#url = new UpstreamUrl(row.url);
    this.#options = options;
    this.#parts = parts;
    const known = previous?.addresses ?? [];
    this.#replace(
      known.length > 0 || this.#url.isName ? known : [this.#newAddress(this.#url.hostname, Number.NEGATIVE_INFINITY)],
    );
    this.#watch = this.#url.isName ? this.#watchName(known) : undefined;
    this.ready = this.#watch?.first ?? Promise.resolve();
  }

  get addresses(): readonly UpstreamAddress[] {
    return this.#addresses;
  }

  /** Call this after a connection to one of the addresses has failed, because the upstream may have new addresses. */
  connectionFailed(): void {
    this.#watch?.refreshSoon();
  }

  stop(): void {
    this.#watch?.stop();
    for (const check of this.#checks.values()) check.stop();
  }

  #watchName(known: readonly UpstreamAddress[]): NameWatch {
    const { clock, log, onChange } = this.#parts;
    const options = {
      ...{ upstream: this.name, name: this.#url.hostname, dns: this.#options.dns, clock, log },
      onChange: (hosts: readonly string[]) => {
        this.#useHosts(hosts);
        onChange();
      },
    };
    return new NameWatch(
      options,
      known.map(({ host }) => host),
    );
  }

  #useHosts(hosts: readonly string[]): void {
    // The addresses of the first DNS look-up need no slow start, because no other address could take the load.
    const sinceMs = this.#addresses.length === 0 ? Number.NEGATIVE_INFINITY : this.#parts.clock.monotonic();
    const known = new Map(this.#addresses.map((address) => [address.host, address]));
    this.#replace(hosts.map((host) => known.get(host) ?? this.#newAddress(host, sinceMs)));
  }

  #newAddress(host: string, sinceMs: number): UpstreamAddress {
    return new UpstreamAddress(this.#url, host, this.#parts.clock, sinceMs);
  }

  /** Replaces the addresses. Starts health checks of new addresses, and stops health checks of removed addresses. */
  #replace(addresses: readonly UpstreamAddress[]): void {
    this.#addresses = addresses;
    for (const [address, check] of this.#checks) {
      if (addresses.includes(address)) continue;
      check.stop();
      this.#checks.delete(address);
    }
    const { health: settings } = this.#options;
    for (const address of addresses) {
      if (settings === undefined) address.isHealthy = true;
      else if (!this.#checks.has(address)) {
        this.#checks.set(address, new HealthCheck(address, { ...this.#parts, settings, upstream: this.name }));
      }
    }
  }
}
