import type { SignedEvent } from "./event.ts";
import type { Positions } from "./positions.ts";
import { type Entry, Timeline, type TimelineKey } from "./timeline.ts";

/** How much is remembered. */
export interface HistoryLimits {
  /** For one user, and for one session. */
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** For all of them together. */
  readonly totalBytesMax: number;
  readonly ageMs: number;
}

/** What a stream has missed. */
export interface Missed {
  /** Up to where the client has everything. */
  readonly after: number;
  /** What came since, in order and whole. */
  readonly events: readonly SignedEvent[];
}

/** What an entry takes besides its event, and a timeline besides its entries, near enough. */
const ENTRY_BYTES = 128;
const TIMELINE_BYTES = 512;

/**
 * The newest events, for streams that come back. Bounded for each user and session, in all, and by age.
 *
 * It is never partial: what it gives is everything since, and where it may have forgotten anything of that, it gives nothing. What is
 * forgotten by age or in all goes oldest first, whosever it is, so one position (`#forgottenThrough`) tells of all of it; what is
 * forgotten because of one user's own bounds is noted in that user's timeline.
 */
export class History {
  readonly #limits: HistoryLimits;
  readonly #positions: Positions;
  readonly #timelines = new Map<TimelineKey, Timeline>();
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #events = 0;
  #heldBytes = 0;
  #forgottenThrough = 0;

  constructor(limits: HistoryLimits, positions: Positions) {
    this.#limits = limits;
    this.#positions = positions;
  }

  get events(): number {
    return this.#events;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** `undefined`: an event that nobody got. That it is missing is remembered as long as an event would be. */
  remember(key: TimelineKey, event: SignedEvent | undefined, position: number, nowMs: number): void {
    const timeline = this.#timelineOf(key);
    const kept = event !== undefined && event.heldBytes + ENTRY_BYTES <= this.#limits.bytesMax ? event.keep() : undefined;
    this.#append({
      timeline,
      position,
      rememberedAtMs: nowMs,
      event: kept,
      heldBytes: ENTRY_BYTES + (kept?.heldBytes ?? 0),
      nextInTimeline: undefined,
      older: this.#newest,
      newer: undefined,
    });
    if (kept === undefined) timeline.missingThrough = position;
    const { eventsMax, bytesMax, totalBytesMax } = this.#limits;
    while (timeline.events > eventsMax || timeline.heldBytes > bytesMax) {
      timeline.missingThrough = Math.max(timeline.missingThrough, timeline.oldest?.position ?? 0);
      this.#drop(timeline.oldest);
    }
    while (this.#heldBytes > totalBytesMax) this.#forgetOldest();
  }

  /** Everything of the user's and the session's after the event that the id names; `undefined` where any of it may be missing. */
  since(eventId: string, userId: string, deviceSessionId: string): Missed | undefined {
    const timelines = [this.#timelines.get(`user:${userId}`), this.#timelines.get(`session:${deviceSessionId}`)];
    const after = this.#positions.parse(eventId) ?? positionIn(timelines, eventId);
    if (after === undefined || after < this.#forgottenThrough) return undefined;
    if (timelines.some((timeline) => timeline !== undefined && timeline.missingThrough > after)) return undefined;
    const entries = timelines.flatMap((timeline) => [...(timeline?.entries() ?? [])]);
    const missed = entries.filter(({ position }) => position > after).toSorted((a, b) => a.position - b.position);
    return { after, events: missed.flatMap(({ event }) => event ?? []) };
  }

  forgetOlder(nowMs: number): void {
    const { ageMs } = this.#limits;
    while (this.#oldest !== undefined && nowMs - this.#oldest.rememberedAtMs >= ageMs) this.#forgetOldest();
  }

  /** What happened until now is not known: nobody resumes from before. */
  clear(): void {
    this.#timelines.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#events = 0;
    this.#heldBytes = 0;
    this.#forgottenThrough = this.#positions.next();
  }

  #timelineOf(key: TimelineKey): Timeline {
    const known = this.#timelines.get(key);
    if (known !== undefined) return known;
    const made = new Timeline(key);
    this.#timelines.set(key, made);
    this.#heldBytes += TIMELINE_BYTES;
    return made;
  }

  #append(entry: Entry): void {
    entry.timeline.append(entry);
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#events++;
    this.#heldBytes += entry.heldBytes;
  }

  #forgetOldest(): void {
    const entry = this.#oldest;
    if (entry === undefined) return;
    this.#forgottenThrough = entry.position;
    this.#drop(entry);
  }

  /** The oldest entry of a timeline; the oldest of all is the oldest of its timeline too. */
  #drop(entry: Entry | undefined): void {
    if (entry === undefined) return;
    const { timeline, older, newer } = entry;
    timeline.dropOldest();
    if (timeline.events === 0) {
      this.#timelines.delete(timeline.key);
      this.#heldBytes -= TIMELINE_BYTES;
    }
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    this.#events--;
    this.#heldBytes -= entry.heldBytes;
  }
}

/** Where the event of this id is; `undefined` where there is none, or more than one, so that nobody can tell which one it was. */
function positionIn(timelines: readonly (Timeline | undefined)[], eventId: string): number | undefined {
  const positions = timelines.flatMap((timeline) => timeline?.positionsOf(eventId) ?? []);
  return positions.length === 1 ? positions[0] : undefined;
}
