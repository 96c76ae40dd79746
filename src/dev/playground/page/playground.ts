import type { CredentialStore, SessionCredentials } from "../../../client/index.ts";
import type { PlaygroundSetup } from "../setup.ts";
import type { Attempt } from "./attempt.ts";
import { ComposerView } from "./composer-view.ts";
import { type Command, DeviceSession } from "./device-session.ts";
import { DeviceView } from "./device-view.ts";
import { byId } from "./dom.ts";
import { EvidenceView } from "./evidence-view.ts";
import { HistoryView } from "./history-view.ts";
import { LoginView } from "./login-view.ts";
import { StreamView } from "./stream-view.ts";
import { runTamper, type Tamper } from "./tamper.ts";
import { TampersView } from "./tampers-view.ts";
import { type Station, TrackView } from "./track-view.ts";
import { showVerdict, verdictOf } from "./verdict.ts";

/** The command that an attack uses if the editor does not contain a valid one. */
const PLAIN_COMMAND: Command = { messageType: "user.profile.get", payloadText: "" };

/** The page. It holds the session and the shown attempt, and updates all views. */
export class Playground {
  readonly #store: CredentialStore;
  readonly #setup: PlaygroundSetup;
  readonly #verdict = byId("verdict", HTMLElement);
  readonly #evidence = new EvidenceView(byId("evidence", HTMLElement));
  readonly #track = new TrackView(byId("track", HTMLElement), (station) => this.#select(station));
  readonly #history = new HistoryView(byId("history", HTMLElement), (attempt) => this.#recall(attempt));
  readonly #login: LoginView;
  readonly #device = new DeviceView(byId("device", HTMLElement), () => this.#logOut());
  readonly #composer: ComposerView;
  readonly #tampers: TampersView;
  readonly #eventsColumn = byId("events-column", HTMLElement);
  readonly #stream: StreamView;
  #session: DeviceSession | undefined;
  /** False if the browser could not store the session, as in some private windows. */
  #isKept = true;
  #attempt: Attempt | undefined;

  constructor(store: CredentialStore, setup: PlaygroundSetup) {
    this.#store = store;
    this.#setup = setup;
    const { dev, key_algorithms: algorithms } = setup;
    const hasDev = dev !== undefined;
    this.#login = new LoginView(byId("login", HTMLElement), {
      ...{ hasOutbox: hasDev, algorithms, onLogin: (each) => this.#logIn(each) },
    });
    this.#composer = new ComposerView(byId("composer", HTMLElement), dev?.routes ?? [], (command) => this.#send(command));
    this.#tampers = new TampersView(byId("tampers", HTMLElement), hasDev, (tamper) => this.#tamper(tamper));
    const chip = byId("stream-chip", HTMLElement);
    this.#stream = new StreamView(byId("stream", HTMLElement), {
      ...{ chip, hasDev, onUser: () => this.#showDevice() },
      onLogInAgain: () => this.#logOut(),
    });
  }

  /** Opens the session that the browser has stored. If there is none, shows the login. */
  async start(): Promise<void> {
    this.#show(undefined);
    const stored = await this.#store.load().catch(() => undefined);
    if (stored === undefined) this.#login.open();
    else this.#open(stored);
  }

  async #logIn(credentials: SessionCredentials): Promise<void> {
    this.#isKept = await this.#store.save(credentials).then(
      () => true,
      () => false,
    );
    this.#open(credentials);
    this.#composer.focus();
  }

  #open(credentials: SessionCredentials): void {
    this.#session = new DeviceSession(credentials, this.#setup.limits);
    byId("login", HTMLElement).hidden = true;
    this.#composer.isHidden = false;
    this.#tampers.isHidden = false;
    this.#showDevice();
    this.#eventsColumn.hidden = false;
    this.#stream.open(this.#session);
  }

  async #logOut(): Promise<void> {
    // If the store cannot be written, it contains no session to delete.
    await this.#store.clear().catch(() => {});
    this.#session = undefined;
    this.#stream.close();
    this.#eventsColumn.hidden = true;
    this.#device.hide();
    this.#history.clear();
    this.#composer.isHidden = true;
    this.#tampers.isHidden = true;
    this.#show(undefined);
    this.#login.open();
    this.#login.focus();
  }

  async #send(command: Command): Promise<void> {
    const session = this.#session;
    if (session !== undefined) this.#record(await session.execute(command));
  }

  async #tamper(tamper: Tamper): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    const edited = this.#composer.command();
    const command = edited === undefined || edited.messageType === "" ? PLAIN_COMMAND : edited;
    this.#record(await runTamper(tamper, { session, command, algorithms: this.#setup.key_algorithms }));
  }

  #record(attempt: Attempt): void {
    this.#history.add(attempt);
    this.#show(attempt);
  }

  #recall(attempt: Attempt): void {
    const { messageType, payloadText, signed } = attempt;
    if (signed !== undefined) this.#composer.load({ messageType, payloadText });
    this.#show(attempt);
  }

  #show(attempt: Attempt | undefined): void {
    this.#attempt = attempt;
    this.#track.show(attempt);
    showVerdict(this.#verdict, attempt);
    this.#track.select(attempt === undefined ? 0 : verdictOf(attempt).station);
  }

  #select(station: Station): void {
    this.#evidence.show(station, { attempt: this.#attempt, session: this.#session, dev: this.#setup.dev });
  }

  #showDevice(): void {
    if (this.#session !== undefined) this.#device.show(this.#session, this.#isKept);
  }
}
