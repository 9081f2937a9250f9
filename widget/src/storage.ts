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
import type { Event, Memory } from "./types";

/** Where one site's things are kept. */
export interface Place {
  name: string;
  /** What storage would not take. */
  held: Map<string, string>;
}

const YEAR = 31536000;
/** Surveys remembered; the longest ago goes first, so that the cookie stays under 2 KB. */
const MOST = 40;

const tried = <T>(call: () => T): T | undefined => {
  try {
    return call();
  } catch {
    return; // forbidden, full or missing
  }
};

const cookie = ({ name }: Place) =>
  tried(() =>
    document.cookie
      .split("; ")
      .find((pair) => pair.startsWith(name + "="))
      ?.slice(name.length + 1),
  );

const read = (place: Place) =>
  cookie(place) || tried(() => localStorage[place.name] as string) || place.held.get(place.name) || "";

/** `token!survey:shown:answered:draw!…`, with numbers in base 36 and nothing for what is not known. */
const entries = (place: Place) =>
  read(place)
    .split("!")
    .map((entry) => entry.split(":"));

/** The visitor's token, or nothing. */
export const visitor = (place: Place): string => entries(place)[0]?.[0] || "";

/** What is remembered of a survey. */
export const recall = (place: Place, survey: string): Memory => {
  const [, ...numbers] = entries(place).find((entry, index) => index && entry[0] == survey) || [];
  const [shown, answered, draw] = numbers.map((text) => (text ? parseInt(text, 36) : undefined));
  return { shown, answered, draw };
};

/** The keys under which events wait. */
export const waiting = ({ name, held }: Place): string[] =>
  [...held.keys(), ...(tried(() => Object.keys(localStorage)) || [])].filter((key) =>
    key.startsWith(name + "."),
  );

/** Whether anything of this site is kept at all. */
export const isEmpty = (place: Place): boolean => !read(place) && !waiting(place).length;

/** Set the cookie on the widest domain that takes it; an empty value removes it from everywhere. */
const write = (place: Place, value: string) => {
  const { name, held } = place;
  const labels = location.hostname.split(".");
  held.set(name, value);
  for (let from = labels.length; from-- > -1;) {
    const domain = from < 0 ? "" : ";domain=" + labels.slice(from).join(".");
    const secure = location.protocol == "https:" ? ";secure" : "";
    tried(() => {
      document.cookie = `${name}=${value};path=/;max-age=${value ? YEAR : 0};samesite=lax${domain}${secure}`;
    });
    if (value && cookie(place) == value) return;
  }
  tried(() => (value ? localStorage.setItem(name, value) : localStorage.removeItem(name)));
};

/** Keep a survey's memory. */
export const remember = (place: Place, survey: string, memory: Memory): void => {
  const numbers = [memory.shown, memory.answered, memory.draw].map((number) => number?.toString(36));
  const [token, ...seen] = entries(place);
  const others = seen.filter(([key]) => key != survey).slice(1 - MOST);
  write(place, [token, ...others, [survey, ...numbers]].map((entry) => entry?.join(":")).join("!"));
};

/** Keep the token that the collector gave this visitor. */
export const setVisitor = (place: Place, token: string): void =>
  write(place, [token, ...read(place).split("!").slice(1)].join("!"));

const keyOf = ({ name }: Place, { type, id }: Event) => `${name}.${type}.${id}`;

/** Keep an event until the collector has it; a later state replaces an earlier one. */
export const keep = (place: Place, event: Event): void => {
  const key = keyOf(place, event);
  const text = JSON.stringify(event);
  tried(() => localStorage.setItem(key, text));
  if (tried(() => localStorage[key]) != text) place.held.set(key, text);
};

/** The events that wait, oldest first. */
export const events = (place: Place): Event[] =>
  waiting(place)
    .flatMap((key) => tried(() => [JSON.parse(place.held.get(key) || localStorage[key]) as Event]) || [])
    .sort((a, b) => (a.id < b.id ? -1 : 1));

/** Drop an event, unless a later state of it has been kept since. */
export const drop = (place: Place, event: Event): void => {
  const key = keyOf(place, event);
  const text = JSON.stringify(event);
  if (place.held.get(key) == text) place.held.delete(key);
  tried(() => localStorage[key] == text && localStorage.removeItem(key));
};

/** Remove everything of this site. */
export const forget = (place: Place): void => {
  for (const key of waiting(place)) tried(() => localStorage.removeItem(key));
  write(place, "");
  place.held.clear();
};
