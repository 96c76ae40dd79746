/** Header fields that may be expensive to parse. */

/** What every listener takes of a head is 16 KiB; a little less is what a head can bring. */
export const HEAD_BYTES_MAX = 12 * 1024;

type Make = (size: number) => Readonly<Record<string, string>>;

const repeat = (unit: string, size: number) => unit.repeat(Math.max(1, Math.floor(size / unit.length)));
const named =
  (name: string, unit: string): Make =>
  (size) => ({ [name]: repeat(unit, size) });

/** Fields besides those that the way itself needs; one that a way sets too takes its place. */
export const HEADS: Readonly<Record<string, Make>> = {
  "many fields": (size) => Object.fromEntries(Array.from({ length: Math.floor(size / 12) }, (_, n) => [`x-${n}`, "1"])),
  "one long field": named("x-long", "a"),
  "commas in grpc-accept-encoding": named("grpc-accept-encoding", ","),
  "weights in grpc-accept-encoding": named("grpc-accept-encoding", "a;q=0.0 ,"),
  "blanks in grpc-accept-encoding": named("grpc-accept-encoding", ";q=0     "),
  "weights in connect-accept-encoding": named("connect-accept-encoding", "a;q=0.0 ,"),
  "weights in accept-encoding": named("accept-encoding", "a;q=0.0 ,"),
  "blanks in accept-encoding": named("accept-encoding", "; "),
  "zeros in accept-encoding": (size) => ({ "accept-encoding": `;q=0.${repeat("0", size)}1` }),
  "a long connect-timeout-ms": named("connect-timeout-ms", "9"),
  "a long grpc-timeout": named("grpc-timeout", "9"),
  "a long content-encoding": named("content-encoding", "gzip,"),
  "a long content-type": (size) => ({ "content-type": `application/json;${repeat("a=b;", size)}` }),
  "blanks in content-type": (size) => ({ "content-type": `application/json${repeat(" ", size)};` }),
  "many hops in x-forwarded-for": named("x-forwarded-for", "10.0.0.1,"),
  "many hops in forwarded": named("forwarded", 'for="[::1]:1";by=x,'),
  "a long origin": (size) => ({ origin: `https://${repeat("a.", size)}example.com` }),
  "preflight fields": (size) => ({
    origin: "https://a.example.com",
    "access-control-request-method": "POST",
    "access-control-request-headers": repeat("x-a,", size),
  }),
  "a long traceparent": named("traceparent", "00-"),
  "a long tracestate": (size) => ({
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: repeat("a=1,", size),
  }),
  "a long user-agent": named("user-agent", "é"),
  "binary metadata": named("some-bin", "AAAA"),
  "many types in accept": named("accept", "application/grpc-web-text,"),
  "almost types in accept": named("accept", "application/grpc-web"),
  "a long cookie": named("cookie", "a=b; "),
  "a long accept-language": named("accept-language", "en;q=0.1,"),
  "a long content-length": named("x-content-length", "0"),
};
