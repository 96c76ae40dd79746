import { type DescMessage, type DescMethod, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createMethodUrl, encodeEnvelope } from "@connectrpc/connect/protocol";
import { httpError } from "./connect-error.ts";
import { EnvelopeDecoder } from "./envelope-decoder.ts";
import { statusDetailsOf } from "./error-details.ts";
import { firstOf } from "./fetch-transport.ts";
import { XhrBody } from "./xhr-body.ts";

/** Maximum size of one message, in bytes. A gateway sends payloads of at most 64 MiB. A hostile server could send more. */
const MESSAGE_BYTES_MAX = 65 * 1024 * 1024;
/** The flag of the frame that ends a stream (gRPC-Web, "Trailers"). */
const TRAILER_FLAG = 0x80;

/**
 * Creates a connect-es transport for streams: `application/grpc-web-text` over XMLHttpRequest. It is for environments whose
 * `fetch` does not deliver a response before the response ends. It sends no unary calls.
 */
export function xhrTransport({ baseUrl }: { readonly baseUrl: string }): Transport {
  return {
    unary: () => Promise.reject(new ConnectError("this transport has streams only", Code.Unimplemented)),
    async stream(method, signal, _timeoutMs, header, input) {
      const message = await firstOf(method.input, input);
      const body = new XhrBody(createMethodUrl(baseUrl, method), headersOf(header), signal);
      body.send(base64Encode(encodeEnvelope(0, message)));
      return {
        ...{ stream: true, service: method.parent, method, header: new Headers(), trailer: new Headers() },
        message: messagesOf(method, body),
      };
    },
  };
}

function headersOf(given: HeadersInit | undefined): Headers {
  const headers = new Headers(given);
  headers.set("content-type", "application/grpc-web-text");
  headers.set("accept", "application/grpc-web-text");
  headers.set("x-grpc-web", "1");
  return headers;
}

async function* messagesOf<O extends DescMessage>(
  method: DescMethod & { readonly output: O },
  body: XhrBody,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const decoder = new EnvelopeDecoder(MESSAGE_BYTES_MAX);
  try {
    for await (const text of body.chunks()) {
      for (const { flags, data } of decoder.decode(base64Decode(text))) {
        if (flags === TRAILER_FLAG) return throwStatus(fieldsOf(new TextDecoder().decode(data)));
        if (flags !== 0) throw new ConnectError("the answer has a frame of an unknown kind", Code.Internal);
        yield fromBinary(method.output, data);
      }
    }
    // If the stream fails before its first event, the answer may lack a body. The response header then contains the status
    // (gRPC, "Trailers-Only").
    const fields = fieldsOf(body.headers);
    throwStatus(fields);
    if (body.status !== 200) throw httpError(body.status, fields);
    throw new ConnectError("the stream was cut off", Code.Unavailable);
  } finally {
    body.abort();
  }
}

/** Parses header lines (RFC 9112 5), in linear time. A line that `Headers` would refuse is ignored. */
export function fieldsOf(lines: string): Headers {
  const fields = new Headers();
  for (const line of lines.split("\r\n")) {
    const colon = Math.max(0, line.indexOf(":"));
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (/^[\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) fields.set(name, value);
  }
  return fields;
}

/** Throws if the fields contain the status of an error. */
function throwStatus(fields: Headers): void {
  const status = Number(fields.get("grpc-status") ?? 0);
  if (status === 0) return;
  const text = fields.get("grpc-message") ?? "";
  const error = new ConnectError(decodeText(text), status in Code ? status : Code.Unknown, fields);
  const details = fields.get("grpc-status-details-bin");
  if (details) error.details = statusDetailsOf(base64Decode(details));
  throw error;
}

/** Decodes the percent-encoding of `grpc-message`. Returns the text unchanged if the encoding is invalid. */
function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
