import type { Browser, BrowserContext, Page } from "playwright-core";

/** The functions that an entry exports. Their arguments and results cross into the browser as JSON-like values. */
type Functions<Entry> = {
  [Name in keyof Entry]: Entry[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof Entry];
type Arguments<F> = F extends (...args: infer A) => unknown ? A : never;
type Result<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;

/** A page in the browser that has loaded an entry: `BrowserPage<typeof import("./pages/example.ts")>`. */
export class BrowserPage<Entry> {
  readonly page: Page;
  readonly #errors: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.#errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.#errors.push(message.text());
    });
  }

  /**
   * Opens the page. From a `Browser`, it has a browser context of its own: it shares no storage with other pages. Pages of one
   * `BrowserContext` are tabs of one browser profile.
   */
  static async open<Entry>(browser: Browser | BrowserContext, url: string): Promise<BrowserPage<Entry>> {
    const opened = new BrowserPage<Entry>(await browser.newPage());
    await opened.page.goto(url);
    await opened.page.waitForFunction(() => "entry" in globalThis);
    return opened;
  }

  /** Calls an exported function of the entry in the browser, and returns what it resolves to. */
  call<Name extends Functions<Entry>>(name: Name, ...args: Arguments<Entry[Name]>): Promise<Result<Entry[Name]>> {
    const run = ([exported, values]: readonly [PropertyKey, unknown[]]): unknown => {
      const entry: Record<PropertyKey, (...values: unknown[]) => unknown> = Reflect.get(globalThis, "entry");
      return entry[exported]?.(...values);
    };
    return this.page.evaluate(run, [name, args] as const) as Promise<Result<Entry[Name]>>;
  }

  /** Uncaught errors and `console.error` of the page so far. The browser itself logs failed requests. */
  errors(): readonly string[] {
    return this.#errors;
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
