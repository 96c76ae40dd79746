/** `offline`: the network is lost. `online`: the network is back. `visible`: the page is visible again, or the device woke up. */
export type ConnectivityChange = "offline" | "online" | "visible";

/** Tells whether the device has a network. A subscription pauses while the device has none. */
export interface Connectivity {
  /** Returns true only if the platform reports that there is no network. */
  isOffline(): boolean;
  /** Calls `onChange` at each change. Returns a function that stops these calls. */
  watch(onChange: (change: ConnectivityChange) => void): () => void;
}

/**
 * The connectivity that a browser reports: `navigator.onLine`, its events, and the visibility of the page. Outside a browser,
 * the device counts as online. `navigator` and `document` are looked up at run time, because not every runtime has them.
 */
export const browserConnectivity: Connectivity = {
  isOffline: () => globalThis.navigator?.onLine === false,
  watch(onChange) {
    const end = new AbortController();
    const { signal } = end;
    const page: Document | undefined = globalThis.document;
    if (typeof globalThis.addEventListener === "function") {
      globalThis.addEventListener("online", () => onChange("online"), { signal });
      globalThis.addEventListener("offline", () => onChange("offline"), { signal });
      // A page that returns from the back-forward cache has lost its connections.
      globalThis.addEventListener("pageshow", () => onChange("visible"), { signal });
    }
    page?.addEventListener(
      "visibilitychange",
      () => {
        if (page.visibilityState === "visible") onChange("visible");
      },
      { signal },
    );
    return () => end.abort();
  },
};
