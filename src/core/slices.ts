/** A computation that can pause at each `yield`. */
export type Steps<R> = Generator<void, R, void>;

/** Time after which a computation lets other work run, in ms. */
const SLICE_MS = 5;

/** Runs a computation to its end without a pause. */
export function runAtOnce<R>(steps: Steps<R>): R {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Runs a computation in slices. Between two slices, the event loop handles requests. */
export async function runInSlices<R>(steps: Steps<R>): Promise<R> {
  let startedMs = performance.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - startedMs < SLICE_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    startedMs = performance.now();
  }
}
