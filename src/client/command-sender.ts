import { Code, ConnectError } from "@connectrpc/connect";
import { GatewayError } from "./errors.ts";
import type { EventOpener } from "./event-opener.ts";
import type { FirstAttempts } from "./first-attempts.ts";
import { cannotHaveBeenAdmitted } from "./gateway-clock.ts";
import type { ExecuteOptions } from "./options.ts";
import type { RequestSigner } from "./request-signer.ts";
import { delayAfter, isWorthRetrying, type RetryOptions, type RetryPolicy, retryBackoff, retryPolicy, sleep } from "./retry.ts";
import type { SignedCalls } from "./signed-calls.ts";
import type { CommandResult } from "./verify.ts";

/** Default timeout of a command with an idempotency key, for all attempts together, in ms. */
const RETRIED_TIMEOUT_MS = 60_000;

interface Command {
  readonly messageType: string;
  readonly payloadBytes: Uint8Array;
}

export interface CommandSenderParts {
  readonly signer: RequestSigner;
  readonly calls: SignedCalls;
  readonly events: EventOpener;
  readonly firstAttempts: FirstAttempts;
  readonly retry: RetryOptions | false | undefined;
}

/** Signs and sends commands. Rules for repeats: proto/client.md, "Clock and repeats" and "Keep an answer". */
export class CommandSender {
  readonly #parts: CommandSenderParts;

  constructor(parts: CommandSenderParts) {
    this.#parts = parts;
  }

  send(command: Command, options: ExecuteOptions): Promise<CommandResult> {
    if (options.requestId !== undefined) return this.#sendAs(options.requestId, command, options);
    const policy = retryPolicy(this.#parts.retry, options.retry);
    const isRetried = options.idempotencyKey !== undefined && policy.attemptsMax > 1;
    return isRetried ? this.#sendRetried(command, options, policy) : this.#sendOnce(command, options);
  }

  /** Sends a command with the caller's request id. A repeat is signed with the timestamp of the first attempt. */
  async #sendAs(requestId: string, command: Command, options: ExecuteOptions): Promise<CommandResult> {
    const { signer, calls, events, firstAttempts } = this.#parts;
    const { idempotencyKey, headers } = options;
    const timestampMs = firstAttempts.timestampFor(requestId, signer.clock.now());
    const request = await signer.sign(command.messageType, command.payloadBytes, { requestId, timestampMs, idempotencyKey });
    try {
      return await calls.execute(request, options);
    } catch (error) {
      await events.serverTimeAfter(error, headers);
      throw error;
    }
  }

  /** Sends a command. Repeats it once, and only if the gateway cannot have admitted the first request. */
  async #sendOnce(command: Command, options: ExecuteOptions): Promise<CommandResult> {
    const { clock } = this.#parts.signer;
    const [timestampMs, elapsedMs] = [clock.now(), clock.stopwatch()];
    try {
      return await this.#attempt(command, options, timestampMs);
    } catch (error) {
      const serverTime = await this.#parts.events.serverTimeAfter(error, options.headers);
      if (serverTime === undefined || !cannotHaveBeenAdmitted(timestampMs, elapsedMs(), serverTime)) throw error;
      return this.#attempt(command, options);
    }
  }

  /** Sends a command with an idempotency key, at most `attemptsMax` times. Each attempt has a request id of its own. */
  async #sendRetried(command: Command, options: ExecuteOptions, policy: RetryPolicy): Promise<CommandResult> {
    const { signer, events } = this.#parts;
    const { timeoutMs = RETRIED_TIMEOUT_MS, signal } = options;
    const elapsedMs = signer.clock.stopwatch();
    const backoff = retryBackoff(policy, signer.fillRandom);
    for (let attempt = 1; ; attempt++) {
      try {
        const leftMs = Math.max(1, timeoutMs - elapsedMs());
        return await this.#attempt(command, { ...options, timeoutMs: Math.min(policy.attemptTimeoutMs, leftMs) });
      } catch (error) {
        const isClockSet = (await events.serverTimeAfter(error, options.headers)) !== undefined;
        if (attempt >= policy.attemptsMax || !(isClockSet || isWorthRetrying(error, signal))) throw error;
        const delayMs = delayAfter(error, backoff);
        if (elapsedMs() + delayMs >= Math.min(timeoutMs, policy.keepAnswerMs)) throw error;
        await sleep(delayMs, signal);
        if (signal?.aborted) throw new GatewayError(new ConnectError("the call was aborted", Code.Canceled));
      }
    }
  }

  /** Signs and sends a request with a new id. Sets `signer.clock` from the timestamp of the answer. */
  async #attempt(command: Command, options: ExecuteOptions, timestampMs?: number): Promise<CommandResult> {
    const { signer, calls } = this.#parts;
    const { idempotencyKey } = options;
    const calibrate = signer.clock.measure();
    const request = await signer.sign(command.messageType, command.payloadBytes, { timestampMs, idempotencyKey });
    const result = await calls.execute(request, options);
    calibrate(result.evidence.timestampMs);
    return result;
  }
}
