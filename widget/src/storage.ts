/**
 * The only user of cookies and storage.
 *
 * The visitor's token and what was seen live in one cookie on the widest domain that the browser allows, so that
 * `shop.` and `www.` know the same visitor; where cookies fail, in local storage; where both fail, in memory for as long
 * as the page is there. Events that the collector has not acknowledged wait in local storage, one entry each, so that two
 * tabs never write over each other.
 *
 * Plain functions over a `Place`, so that the loader carries only those that read.
 */
import { guard } from "./guard";
import { inDocument, setCookie } from "./page";
import type { Event, Memory } from "./types";

/** Where one site's things are kept. */
export interface Place {
  name: string;
  /** What storage would not take. */
  held: Record<string, string>;
  /** Grows when the visitor is forgotten, so that a late reply does not bring them back. */
  era: number;
}

const YEAR = 31536000;
/** Surveys remembered; the longest ago goes first, so that the cookie stays under 2 KB. */
const MOST = 40;
/** Under which the session stands among the surveys: since when it shows surveys, and its last page view. */
const SESSION = "_";
/** Seconds without a page view that end it, as where visits are counted. */
const LONGEST_REST = 1800;

const cookie = ({ name }: Place) => guard(() => inDocument("cookie").match(`(^|; )${name}=([^;]*)`)?.[2]);

/** `token!survey:shown:answered:draw!…`, with numbers in base 36 and nothing for what is not known. */
const read = (place: Place): string =>
  cookie(place) || guard(() => localStorage[place.name]) || place.held[place.name] || "";

/** What is remembered of each survey, without what is spoilt. */
const entries = (place: Place): string[] => read(place).match(/\w+(:[0-9a-z]*){3}/g) || [];

/** The visitor's token, or nothing. */
export const visitor = (place: Place): string => read(place).split("!")[0]!;

/** What is remembered of a survey, and of all others together. */
export const recall = (place: Place, survey: string): Memory => {
  const memory: Memory = {};
  for (const entry of entries(place)) {
    const [key, ...numbers] = entry.split(":");
    const [shown, answered, draw] = numbers.map((text) => (text ? parseInt(text, 36) : undefined));
    if (key == SESSION && Math.abs(Date.now() / 1000 - draw!) < LONGEST_REST) memory.session = answered;
    if (key == survey) [memory.shown, memory.answered, memory.draw] = [shown, answered, draw];
    else if (shown! > (memory.other || 0)) memory.other = shown;
  }
  return memory;
};

/**
 * A page is viewed: a session in which a survey was shown goes on. Or one is `shown`, which begins it. A visitor who saw
 * none has no session, because nothing is kept of them.
 */
export const attend = (place: Place, shown?: boolean): void => {
  const now = Math.floor(Date.now() / 1000);
  const { session } = recall(place, SESSION);
  if (session || shown) remember(place, SESSION, { answered: session || now, draw: now });
};

/**
 * Say to all tabs that this one is about to show something. By a cookie, because tabs of one process or of several, with
 * locks or without, see the same one at once.
 *
 * @param age seconds that it stands, 0 to take it back
 */
export const claim = (place: Place & { turn?: number }, age = 1): void => {
  place.turn = Date.now() + Math.random();
  guard(() => setCookie(`${place.name}c=${place.turn!.toString(36)};path=/;max-age=${age}`));
};

/** The keys under which events wait. */
export const waiting = ({ name, held }: Place): string[] =>
  [...Object.keys(held), ...(guard(() => Object.keys(localStorage)) || [])].filter((key) =>
    key.startsWith(name + "."),
  );

/** Set the cookie on the widest domain that takes it; an empty value removes it from everywhere. */
const write = (place: Place, value: string) => {
  const { name, held } = place;
  const labels = location.hostname.split(".");
  const age = value ? YEAR : 0;
  const secure = location.protocol == "https:" ? ";secure" : "";
  delete held[name];
  for (let from = labels.length; from-- > -1;) {
    const domain = from < 0 ? "" : ";domain=" + labels.slice(from).join(".");
    guard(() => setCookie(`${name}=${value};path=/;max-age=${age};samesite=lax${domain}${secure}`));
    if (value && cookie(place) == value) return;
  }
  guard(() => (value ? localStorage.setItem(name, value) : localStorage.removeItem(name)));
  if (read(place) != value) held[name] = value;
};

/** Add to what is remembered of a survey, and keep the token that the collector gave this visitor, if it gave one. */
export const remember = (place: Place, survey: string, memory: Memory, token?: string): void => {
  const { shown, answered, draw } = { ...recall(place, survey), ...memory };
  const numbers = [shown, answered, draw].map((number) => number?.toString(36));
  const others = entries(place).filter((entry) => !entry.startsWith(survey + ":"));
  const mine = [survey, ...numbers].join(":");
  write(place, [token || visitor(place), ...others.slice(1 - MOST), mine].join("!"));
};

/** Forget the visitor and what they saw; what was answered still has to arrive. */
export const forget = (place: Place): void => {
  place.era++;
  write(place, "");
};

/** Remove everything, what waits to be sent included. */
export const erase = (place: Place): void => {
  for (const key of waiting(place)) guard(() => localStorage.removeItem(key));
  forget(place);
  place.held = {};
};

/** JSON of plain data, whatever `toJSON` the page has added to prototypes. */
export const json = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(json).join()}]`
    : value && typeof value == "object"
      ? `{${Object.entries(value)
          .filter(([, item]) => item !== undefined)
          .map(([key, item]) => json(key) + ":" + json(item))
          .join()}}`
      : JSON.stringify(value);

const keyOf = ({ name }: Place, { type, id }: Event) => `${name}.${type}.${id}`;

/** Keep an event until the collector has it; a later state replaces an earlier one. */
export const keep = (place: Place, event: Event): void => {
  const key = keyOf(place, event);
  const text = json(event);
  guard(() => localStorage.setItem(key, text));
  if (guard(() => localStorage[key]) != text) place.held[key] = text;
};

/** The events that wait, oldest first; what stands there and is none is removed. */
export const events = (place: Place & { waiting: (place: Place) => string[] }): Event[] =>
  place
    .waiting(place)
    .flatMap((key) => {
      const event = guard(() => JSON.parse(place.held[key] || localStorage[key]) as Event);
      if (event && guard(() => keyOf(place, event)) == key) return [event];
      guard(() => localStorage.removeItem(key));
      return [];
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));

/** Drop an event, unless a later state of it has been kept since. */
export const drop = (place: Place, event: Event): void => {
  const key = keyOf(place, event);
  const text = json(event);
  if (place.held[key] == text) delete place.held[key];
  guard(() => localStorage[key] == text && localStorage.removeItem(key));
};
