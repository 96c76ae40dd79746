import { messageOf } from "../../core/cause.ts";
import type { Revocation } from "../../core/sessions.ts";
import type { Log } from "../../core/telemetry.ts";
import type { RedisLink } from "./link.ts";
import { type RedisCall, rethrowUnlessUnavailable } from "./redis-call.ts";
import type { RedisHealth } from "./redis-health.ts";
import type { RedisRevocations } from "./revocations.ts";
import { checkServer } from "./server-info.ts";
import type { StoreEpoch } from "./store-epoch.ts";

export interface RedisMonitorParts {
  /** The server's address without user and password, for logs. */
  readonly address: string;
  readonly epoch: StoreEpoch;
  readonly health: RedisHealth;
  readonly revocations: RedisRevocations;
  readonly onRevocation: (revocation: Revocation) => void;
  readonly log: Log;
}

const CHECK_EVERY_MS = 1000;

/**
 * Checks the Redis server on each new connection. Also does two things once a second, each in one round trip:
 *
 * - It checks the server again.
 * - It polls the revocations that other gateways announced.
 */
export class RedisMonitor {
  readonly #parts: RedisMonitorParts;
  #arePollsFailing = false;
  #timer: Timer | undefined;

  constructor(parts: RedisMonitorParts) {
    this.#parts = parts;
  }

  /**
   * Checks the server and joins its store epoch. Rejects with `StoreError` if the server is unsuitable, and with
   * `RedisUnavailable` if a command fails.
   */
  readonly prepare = async (call: RedisCall): Promise<void> => {
    const { address, epoch, health, revocations, log } = this.#parts;
    const server = checkServer(String(await call("INFO", [])), address);
    health.noteQuarantine(await epoch.join(call, server.runId));
    await health.check(call, epoch);
    await revocations.connected(call).catch((error) => this.#onPollFailed(error));
    log.info("redis connected", { address, server: server.name, version: server.version });
  };

  start(link: RedisLink): void {
    this.#timer = setInterval(() => this.#check(link).catch((error) => this.#onCheckFailed(link, error)), CHECK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #check(link: RedisLink): Promise<void> {
    const { epoch, health } = this.#parts;
    const epochBefore = epoch.id;
    const isCurrent = await health.check(link.call, epoch);
    // If the epoch id changed during the check, the gateway has already joined the new epoch, and needs no reset.
    if (!isCurrent && epochBefore === epoch.id) link.reset("the server lost its memory");
    else await this.#poll(link.call).catch((error) => link.downReason ?? this.#onPollFailed(error));
  }

  async #poll(call: RedisCall): Promise<void> {
    for (const revocation of await this.#parts.revocations.poll(call)) this.#parts.onRevocation(revocation);
    this.#arePollsFailing = false;
  }

  /** Records a failed check. Ignores the failure if the connection is lost, because `RedisLink` logs the loss. */
  #onCheckFailed(link: RedisLink, error: unknown): void {
    rethrowUnlessUnavailable(error);
    if (link.downReason === undefined) this.#parts.health.noteFailure(messageOf(error));
  }

  /**
   * Records a failed poll. Of consecutive failures, only the first is logged. Requests are still accepted, because the
   * backend's revocations arrive on the push feed, not through Redis.
   */
  #onPollFailed(error: unknown): void {
    rethrowUnlessUnavailable(error);
    if (!this.#arePollsFailing) this.#parts.log.warn("read of revocations from redis failed", { cause: messageOf(error) });
    this.#arePollsFailing = true;
  }
}
