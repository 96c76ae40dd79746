import type { Browser, BrowserContext, BrowserContextOptions, ConsoleMessage, Locator, Page } from "playwright-core";

/** Chromium logs each answer with an error status by itself. A refusal over Connect has such a status. */
const REFUSED_CALL = /^Failed to load resource: the server responded with a status of [45]\d\d/;

/** The playground in a browser context of its own, as a user sees it. */
export class PlaygroundPage {
  readonly page: Page;
  readonly #problems: string[] = [];

  private constructor(page: Page, origin: string) {
    this.page = page;
    page.on("pageerror", (error) => this.#problems.push(error.message));
    page.on("console", (message) => this.#note(message));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== origin) this.#problems.push(`request to ${request.url()}`);
    });
  }

  static async open(browser: Browser, edgeUrl: string, options: BrowserContextOptions = {}): Promise<PlaygroundPage> {
    return PlaygroundPage.openIn(await browser.newContext({ reducedMotion: "reduce", ...options }), edgeUrl);
  }

  static async openIn(context: BrowserContext, edgeUrl: string): Promise<PlaygroundPage> {
    const opened = new PlaygroundPage(await context.newPage(), new URL(edgeUrl).origin);
    await opened.page.goto(`${edgeUrl}/`);
    await opened.page.locator("#login:visible, #device:visible").first().waitFor();
    return opened;
  }

  /**
   * Errors and warnings of the console, uncaught errors, violations of the page's policy (Chromium logs them as errors) and requests to
   * other origins. Chromium's notes on refused calls are left out.
   */
  problems(): readonly string[] {
    return this.#problems;
  }

  /** Logs in with the code of the outbox that the page shows. Resolves when the stream is live. */
  async logIn(email: string): Promise<void> {
    await this.page.getByLabel("E-mail address").fill(email);
    await this.page.getByRole("button", { name: "Send me a code" }).click();
    await this.page.getByRole("button", { name: /^Use code \d{6}$/ }).click();
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.streamIs("live");
  }

  async streamIs(state: string): Promise<void> {
    await this.page.locator(`#stream-chip[data-state="${state}"]`).waitFor();
  }

  /** Puts a command into the editor and sends it. Resolves to the verdict. */
  async send(messageType: string, payload = ""): Promise<string> {
    await this.page.getByLabel("Message type", { exact: true }).selectOption(messageType);
    await this.page.getByLabel("Payload, JSON or empty").fill(payload);
    return this.verdictAfter(() => this.page.getByRole("button", { name: "Sign and send" }).click());
  }

  /** Presses the button of an attack. Resolves to the verdict. */
  tamper(id: string): Promise<string> {
    return this.verdictAfter(() => this.page.locator(`#tamper-${id}`).click());
  }

  /** Resolves to the text of the verdict when the history has one attempt more. */
  async verdictAfter(act: () => Promise<void>): Promise<string> {
    const attempts = this.page.locator("#history li");
    const before = await attempts.count();
    await act();
    await attempts.nth(before).waitFor({ state: "attached" });
    return shownText(this.page.locator("#verdict"));
  }

  /** The state of each station, 0 to 8 and the answer, by its first letter: `ppprrr…`. */
  async states(): Promise<string> {
    const states = await this.page.getByRole("tab").evaluateAll((tabs) => tabs.map((tab) => tab.getAttribute("data-state")));
    return states.map((state) => state?.charAt(0) ?? "?").join("");
  }

  /** Selects a station and resolves to the text of its evidence. */
  async evidence(station: number | "answer"): Promise<string> {
    await this.page.locator(`#station-${station}`).click();
    const heading = station === "answer" ? "The signed answer" : `Check ${station}:`;
    await this.page.locator("#evidence-title", { hasText: heading }).waitFor();
    return shownText(this.page.locator("#evidence"));
  }

  close(): Promise<void> {
    return this.page.context().close();
  }

  #note(message: ConsoleMessage): void {
    const isBad = message.type() === "error" || message.type() === "warning";
    if (isBad && !REFUSED_CALL.test(message.text())) this.#problems.push(message.text());
  }
}

/** The text of an element as a user sees it, with line breaks between blocks. */
export async function shownText(locator: Locator): Promise<string> {
  await locator.waitFor();
  return (await locator.allInnerTexts())[0] ?? "";
}
