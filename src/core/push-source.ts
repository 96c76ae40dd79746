/**
 * Delivers the messages of the push feed to a `PushFeedSink`. A message is an event or a revocation of the backend. There are
 * three sources: a gRPC stream of the backend, the private listener and a Redis Stream.
 *
 * `gap` and `lost` are methods of the sink. A source guarantees:
 * - Order: the sink gets the messages in the order of the source, one call at a time.
 * - No repeats: the sink gets a message twice only if the source calls `gap` before the second delivery. Exception: the backend
 *   itself sent the message twice.
 * - No silent loss: if messages may be lost, the source calls `gap` before the next message.
 * - Cursors: no two messages have the same cursor. If the backend or Redis assigns the cursors, every gateway passes the same
 *   cursor for a message. Otherwise, the source creates the cursors. Every start of a gateway creates different cursors.
 * - Invalid messages: the source counts each one, calls `lost` for its audience, and continues. If the audience is unknown, the
 *   source calls `gap`, at most once per second.
 * - A sink that throws: the source calls `gap` and continues.
 * - Memory: the total size of the messages that wait for the sink is bounded.
 */
export interface PushSource {
  /** Starts the delivery. Calling it again has no effect. The source is up when it can receive the next message. */
  start(): void;
  /** Ends the delivery, also while the source is down. After the promise resolves, the sink gets no message. */
  stop(): Promise<void>;
  /** Whether the source has been up at least once. */
  hasBeenUp(): boolean;
}
