import { messageOf } from "./cause.ts";

/** The TLS files cannot be used. The one-line message is for operators and does not show the contents of files. */
export class TlsFilesError extends Error {
  constructor(problem: string, cause: unknown) {
    super(`${problem}: ${messageOf(cause)}`);
    this.name = "TlsFilesError";
  }
}

/** A worker process cannot start. The one-line message is for operators. */
export class WorkerError extends Error {
  /** True if the configuration or a TLS file is wrong. The exit code is then 2, and 1 otherwise. */
  readonly isConfigError: boolean;

  constructor(message: string, isConfigError: boolean) {
    super(message);
    this.name = "WorkerError";
    this.isConfigError = isConfigError;
  }
}

/** This process cannot take over from a running gateway. The one-line message is for operators. */
export class UpgradeError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UpgradeError";
  }
}

/** The gateway cannot start, because a store cannot be used. The one-line message is for operators and contains no secrets. */
export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
