/**
 * The client of a Sallyport gateway: log in, execute signed commands, receive signed events. It runs in browsers, in Node 20
 * and later, and in Bun.
 *
 * @module
 */
// biome-ignore-start lint/performance/noBarrelFile: this file is the entry point of the package

export type { Reason } from "../core/reasons.ts";
export type { FillRandom } from "./bytes.ts";
export { SallyportClient, type SallyportClientOptions } from "./client.ts";
export { type CredentialStore, KeyStoreError, memoryStore } from "./credential-store.ts";
export {
  type DeviceKey,
  type ExportableDeviceKey,
  generateExportableDeviceKey,
  importDeviceKey,
  type KeyAlgorithm,
} from "./device-key.ts";
export {
  GatewayError,
  type RefusalInfo,
  RepeatTooLateError,
  reasonOf,
  refusalOf,
  SallyportError,
  type SallyportErrorFields,
  type TrustCheck,
  UntrustedResponseError,
} from "./errors.ts";
export { type FetchTransportOptions, fetchTransport } from "./fetch-transport.ts";
export type { GatewayClockOptions } from "./gateway-clock.ts";
export { type GatewayKeySource, GatewayKeys, type GatewayKeysOptions, type SignatureVerdict } from "./gateway-keys.ts";
export { type IndexedDbStoreOptions, indexedDbStore } from "./indexed-db-store.ts";
export {
  type ConfirmEmailCodeOptions,
  confirmEmailCode,
  type LoginOptions,
  login,
  type PathLogin,
  type PathLoginOptions,
  type SendEmailCodeOptions,
  type SessionCredentials,
  sendEmailCode,
} from "./login.ts";
export type { ExecuteOptions, FetchEventsOptions, OpenStreamOptions, SendOptions, StreamOptions } from "./options.ts";
export type { Payload } from "./payload.ts";
export type { RequestSignerOptions, SignedEnvelope, SignedRequest, SignOptions } from "./request-signer.ts";
export { type Fetch, RestError, type RestOptions } from "./rest.ts";
export type { RetryOptions } from "./retry.ts";
export type { EventStream } from "./signed-calls.ts";
export type { StateHandler, SubscribeOptions, Subscription } from "./subscription.ts";
export type {
  StateDetail,
  StreamPosition,
  StreamTransport,
  SubscriptionEvent,
  SubscriptionState,
} from "./subscription-event.ts";
export type { StreamSettings } from "./subscriptions.ts";
export type { CommandResult, Evidence, VerifiedEvent } from "./verify.ts";
export { type GenerateDeviceKeyOptions, generateDeviceKey, WebCryptoDeviceKey } from "./webcrypto-key.ts";
// biome-ignore-end lint/performance/noBarrelFile: this file is the entry point of the package
