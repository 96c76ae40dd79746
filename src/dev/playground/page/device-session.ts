import {
  type DeviceKey,
  fetchTransport,
  GatewayKeys,
  SallyportClient,
  type SessionCredentials,
  type SignedRequest,
  type SignOptions,
} from "../../../client/index.ts";
import type { SizeLimits } from "../setup.ts";
import { type Attempt, outcomeOf, type Signed } from "./attempt.ts";
import { fromText, toText } from "./bytes.ts";
import { type AlterAnswer, Wire } from "./wire.ts";

/** A command as the editor holds it. `payloadText` is JSON, or empty. */
export interface Command {
  readonly messageType: string;
  readonly payloadText: string;
  readonly idempotencyKey?: string | undefined;
}

export interface SignCommandOptions extends SignOptions {
  /** The key that signs the command. Default: the key of the session. */
  readonly deviceKey?: DeviceKey | undefined;
}

/** A logged-in device. It signs commands and sends them, and records what the page shows of each attempt. */
export class DeviceSession {
  readonly credentials: SessionCredentials;
  readonly client: SallyportClient;
  /** The maximum sizes of the gateway. */
  readonly limits: SizeLimits;
  readonly #keys: GatewayKeys;
  /** The user id of the session; `undefined` until the first event of the stream arrives. */
  userId: string | undefined;
  /** How far the gateway's clock is ahead of the device's clock, in ms; 0 until a signed event contains the gateway's time. */
  clockOffsetMs = 0;

  constructor(credentials: SessionCredentials, limits: SizeLimits) {
    this.credentials = credentials;
    this.limits = limits;
    this.#keys = new GatewayKeys(location.origin);
    this.client = new SallyportClient({ baseUrl: location.origin, credentials, keys: this.#keys });
  }

  /** The estimated time of the gateway's clock, in Unix ms. */
  now(): number {
    return Date.now() + this.clockOffsetMs;
  }

  /** Signs a command without sending it. */
  async sign(command: Command, options: SignCommandOptions = {}): Promise<Signed> {
    const { deviceKey = this.credentials.deviceKey, ...rest } = options;
    let signingInput = new Uint8Array();
    const recording: DeviceKey = {
      algorithm: deviceKey.algorithm,
      publicKey: deviceKey.publicKey,
      sign(message) {
        signingInput = new Uint8Array(message);
        return deviceKey.sign(message);
      },
    };
    const { deviceSessionId } = this.credentials;
    const signer = new SallyportClient({
      ...{ baseUrl: location.origin, keys: this.#keys, now: () => this.now() },
      credentials: { deviceSessionId, deviceKey: recording },
    });
    const payloadBytes = fromText(command.payloadText);
    const { idempotencyKey } = command;
    const request = await signer.sign(command.messageType, payloadBytes, { idempotencyKey, ...rest });
    const sessionPublicKey = this.credentials.deviceKey.publicKey;
    return {
      request,
      signingInput,
      publicKey: deviceKey.publicKey,
      algorithm: deviceKey.algorithm ?? "EdDSA",
      sessionPublicKey,
    };
  }

  async execute(command: Command): Promise<Attempt> {
    return this.send(await this.sign(command));
  }

  /** Sends a signed request, and verifies the answer. Never rejects: `outcome` contains the error. */
  async send(signed: Signed, alter?: AlterAnswer): Promise<Attempt> {
    const { attempt } = await this.exchange(signed, alter);
    return attempt;
  }

  /** Like `send`. Also returns the body of the answer, as the gateway sent it. */
  async exchange(signed: Signed, alter?: AlterAnswer): Promise<{ attempt: Attempt; answer: Uint8Array<ArrayBuffer> }> {
    const wire = new Wire(alter);
    const { envelope, payloadBytes } = signed.request;
    const atMs = Date.now();
    const outcome = await this.#clientOver(wire)
      .executeSigned(signed.request)
      .then(
        (result) => ({ kind: "answered" as const, result }),
        (error: unknown) => outcomeOf(error, this.limits),
      );
    const command = { messageType: envelope.messageType, payloadText: toText(payloadBytes) };
    const attempt = { title: "Command", ...command, atMs, signed, exchange: wire.exchange, outcome };
    return { attempt, answer: wire.answer };
  }

  #clientOver(wire: Wire): SallyportClient {
    const transport = fetchTransport({ baseUrl: location.origin, fetch: wire.fetch });
    return new SallyportClient({ transport, keys: this.#keys, credentials: this.credentials });
  }
}

/** Returns a copy of `signed` with the request that `change` returns. The changed request is not signed again. */
export function altered(signed: Signed, change: (request: SignedRequest) => SignedRequest): Signed {
  return { ...signed, request: change(signed.request) };
}
