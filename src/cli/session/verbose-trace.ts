import type { DeviceKey } from "../../client/device-key.ts";
import type { Fetch } from "../../client/rest.ts";
import type { CommandResult, Evidence, VerifiedEvent } from "../../client/verify.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../output/printable.ts";
import { keyIdOf } from "../profile/device-key-file.ts";

/** Names of the fields that follow the domain in the signing input of a request (proto/README.md, "What is signed"). */
const REQUEST_FIELDS = [
  "protocol_version",
  "device_session_id",
  "message_type",
  "timestamp_ms",
  "request_id",
  "payload_hash",
  "idempotency_key",
];

/** For `--verbose`: prints to standard error what was signed and what was verified. */
export class Trace {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Returns a device key that also prints what it signs. The printed fields are decoded from the signed bytes. */
  signing(key: DeviceKey): DeviceKey {
    return {
      algorithm: key.algorithm,
      publicKey: key.publicKey,
      sign: async (message) => {
        const signature = await key.sign(message);
        this.#heading("request, signed by this device");
        const [, ...fields] = framesOf(message);
        for (const [at, field] of fields.entries()) {
          const name = REQUEST_FIELDS[at] ?? "unknown";
          this.#line(name, fieldText(name, field));
        }
        this.#line("signing input", `${hex(message)} (${message.byteLength} bytes)`);
        this.#line("signature", `${hex(signature)} (${key.algorithm})`);
        this.#line("device key", keyIdOf(key));
        return signature;
      },
    };
  }

  /** Returns a `fetch` that also prints the method, URL, status and duration of each call. */
  fetching(send: Fetch): Fetch {
    return async (url, init) => {
      const startMs = performance.now();
      const line = (outcome: string) =>
        this.#heading(`${init.method ?? "GET"} ${url}: ${outcome}, ${Math.round(performance.now() - startMs)} ms`);
      try {
        const response = await send(url, init);
        line(`HTTP ${response.status}`);
        return response;
      } catch (error) {
        line("no answer");
        throw error;
      }
    };
  }

  answer({ resultCode, requestId, replayed, evidence }: CommandResult): void {
    this.#heading("response, verified");
    this.#line("request_id", `${requestId}: the one that was sent`);
    this.#line("result_code", resultCode);
    this.#evidence(evidence);
    this.#line("replayed", replayed ? "yes: the kept answer of an earlier attempt" : "no");
  }

  event({ eventType, eventId, audience, evidence }: VerifiedEvent): void {
    this.#heading("event, verified");
    this.#line("event_type", eventType);
    this.#line("event_id", eventId);
    this.#line("audience", `${audience}: this session, its user, or all`);
    this.#evidence(evidence);
  }

  #evidence({ keyId, timestampMs, payloadHash, signingInput, signature }: Evidence): void {
    this.#line("timestamp_ms", timeText(timestampMs));
    this.#line("payload_hash", `${hex(payloadHash)}: SHA-256 of the payload`);
    this.#line("signing input", `${hex(signingInput)} (${signingInput.byteLength} bytes)`);
    this.#line("signature", `${hex(signature)}: verifies (Ed25519)`);
    this.#line("key_id", `${keyId}: published by the gateway`);
  }

  #heading(text: string): void {
    this.#output.note(this.#output.noteStyle.name(`* ${text}`));
  }

  #line(name: string, value: string): void {
    this.#output.note(`    ${this.#output.noteStyle.faint(name.padEnd(18))}${printable(value)}`);
  }
}

/** Returns the fields of a signing input. Each field comes after its length, a big-endian number of 4 bytes. */
function framesOf(input: Uint8Array): Uint8Array[] {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const frames: Uint8Array[] = [];
  for (let at = 0; at + 4 <= input.byteLength; ) {
    const end = at + 4 + view.getUint32(at);
    frames.push(input.subarray(at + 4, end));
    at = end;
  }
  return frames;
}

function fieldText(name: string, field: Uint8Array): string {
  if (name === "payload_hash") return `${hex(field)}: SHA-256 of the payload`;
  if (name !== "timestamp_ms") return new TextDecoder().decode(field);
  return timeText(Number(new DataView(field.buffer, field.byteOffset, field.byteLength).getBigInt64(0)));
}

function timeText(unixMs: number): string {
  return `${unixMs} (${new Date(unixMs).toISOString()})`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
