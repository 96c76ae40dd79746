import { Code, ConnectError } from "@connectrpc/connect";
import { LiveSet } from "../../core/live-set.ts";
import {
  type HealthCheckResponseSchema,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { Call } from "../call.ts";
import { STANDARD_REQUEST_BYTES_MAX } from "../limits.ts";
import type { OutgoingStream } from "../outgoing-stream.ts";
import { type AnyMethod, type MethodOptions, serverStream, unary } from "../service.ts";
import { FairQuota, type Networked } from "./fair-quota.ts";

/**
 * Maximum length of a service name in a `Watch` request, in characters. The gateway keeps this name in memory for each
 * watcher.
 */
const SERVICE_NAME_CHARACTERS_MAX = 256;
/** Maximum number of services in a `List` response. The health checking protocol sets this limit. */
const LISTED_SERVICES_MAX = 100;
/**
 * Maximum number of open `Watch` streams. `FairQuota` shares them among networks. Load balancers and clients hold one stream
 * per connection. A stream takes a few kilobytes of memory.
 */
const WATCHERS_MAX = 1000;
/**
 * Maximum number of bytes queued for one watcher. A status takes 7 bytes, so the queue reaches this size only if the client
 * reads nothing.
 */
const QUEUED_BYTES_MAX = 64 * 1024;

/**
 * Health calls are answered even if the failure budget of the peer is spent. So a load balancer gets answers even if it shares
 * its address with failing clients.
 */
const OPTIONS: MethodOptions = { requestBytesMax: STANDARD_REQUEST_BYTES_MAX, servesAnyPeer: true };

interface Watcher {
  readonly service: string;
  readonly network: string;
  readonly stream: OutgoingStream<typeof HealthCheckResponseSchema>;
}

/**
 * The gRPC health checking service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
 *
 * - `Check` and `List` return the current status.
 * - `Watch` streams the current status and each change.
 * - The empty service name stands for the whole server.
 */
export class Health {
  readonly #serving = new Map<string, boolean>();
  readonly #watchers = new LiveSet<Watcher>();
  readonly #quota: FairQuota;
  #shutDown = false;

  constructor({ watchersMax = WATCHERS_MAX }: { watchersMax?: number } = {}) {
    this.#quota = new FairQuota(watchersMax);
  }

  /**
   * Sets the status of a service. If the status has changed, sends it to the service's watchers. Does nothing after `shutDown`.
   */
  set(service: string, serving: boolean): void {
    if (this.#shutDown || this.#serving.get(service) === serving) return;
    this.#serving.set(service, serving);
    for (const watcher of this.#watchers) if (watcher.service === service) this.#sendStatus(watcher);
  }

  /** Sets every service to NOT_SERVING, sends this status to the watchers that do not have it yet, and ends all their streams. */
  shutDown(): void {
    for (const service of this.#serving.keys()) this.set(service, false);
    this.#shutDown = true;
    for (const { stream } of this.#watchers) stream.end(shuttingDown());
  }

  methods<Peer extends Networked>(): AnyMethod<Peer>[] {
    return [
      unary(HealthService.method.check, ({ service }) => ({ status: this.#knownStatus(service) }), OPTIONS),
      unary(HealthService.method.list, () => ({ statuses: this.#all() }), OPTIONS),
      serverStream(
        HealthService.method.watch,
        ({ service }, call: Call<Peer>, stream) => this.#watch({ service, stream, network: call.peer.network }),
        OPTIONS,
      ),
    ];
  }

  #status(service: string): Status {
    const serving = this.#serving.get(service);
    if (serving === undefined) return Status.SERVICE_UNKNOWN;
    return serving ? Status.SERVING : Status.NOT_SERVING;
  }

  #knownStatus(service: string): Status {
    const status = this.#status(service);
    if (status === Status.SERVICE_UNKNOWN) throw new ConnectError("there is no such service", Code.NotFound);
    return status;
  }

  #all(): Record<string, { status: Status }> {
    if (this.#serving.size > LISTED_SERVICES_MAX) {
      throw new ConnectError(`there are more than ${LISTED_SERVICES_MAX} services`, Code.ResourceExhausted);
    }
    return Object.fromEntries([...this.#serving.keys()].map((service) => [service, { status: this.#status(service) }]));
  }

  #watch(watcher: Watcher): void {
    if (watcher.service.length > SERVICE_NAME_CHARACTERS_MAX) {
      throw new ConnectError(`a service's name has at most ${SERVICE_NAME_CHARACTERS_MAX} characters`, Code.InvalidArgument);
    }
    const { network, stream } = watcher;
    const evict = () => stream.end(tooMany());
    if (!this.#quota.take(network, evict)) throw tooMany();
    const held = this.#watchers.add(watcher);
    const ended = () => {
      this.#watchers.remove(held);
      this.#quota.release(network, evict);
    };
    stream.onEnd({ ended });
    this.#sendStatus(watcher);
    if (this.#shutDown) stream.end(shuttingDown());
  }

  #sendStatus({ service, stream }: Watcher): void {
    stream.send({ status: this.#status(service) });
    if (stream.queuedBytes > QUEUED_BYTES_MAX) {
      stream.end(new ConnectError("the client does not read what it asked for", Code.ResourceExhausted));
    }
  }
}

function tooMany(): ConnectError {
  return new ConnectError("too many watchers from this network", Code.ResourceExhausted);
}

function shuttingDown(): ConnectError {
  return new ConnectError("the server is shutting down", Code.Unavailable);
}
