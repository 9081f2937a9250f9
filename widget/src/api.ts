/**
 * The only user of fetch: an outbox that empties on acknowledgement alone.
 *
 * An event is kept before it is sent and dropped when the collector says that it is on disk, or that it never will take
 * it. On all else it stays: for the next try, the next page view, the next day.
 */
import { say } from "./say";
import { drop, events, json, keep } from "./storage";
import type { Event, Host } from "./types";

/** Milliseconds until a reply is given up; until the first new try, doubled each time; and between tries at most. */
const PATIENCE = 15_000;
const FIRST_TRY = 5_000;
const LAST_TRY = 300_000;
/** Milliseconds until a part of what was refused together is tried. */
const SOON = 500;
/** Characters in one request, which may be three bytes each: browsers allow 64 KiB to a page that is going away. */
const MOST = 20_000;
/** Events in one request; the collector takes 50. */
const MANY = 40;

export interface Outbox {
  send: (event: Event) => void;
  flush: (now?: unknown) => void;
  /** What waits is not to bring a forgotten visitor back. */
  age: () => void;
}

/** Whether this browser asks not to be known (Global Privacy Control). */
export const isPrivate = () => !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;

interface Reply {
  stored?: string[];
  permanent?: boolean;
  /** What of several was not stored, by id. */
  refused?: Record<string, { permanent?: boolean }>;
  visitor?: string;
}

/** Post as text, which needs no preflight. Where the page has put a `fetch` of its own that fails, the older way. */
const ask = async (url: string, body: string): Promise<[ok: boolean, Reply]> => {
  try {
    const response = await fetch(url, {
      method: "POST",
      keepalive: true,
      body,
      signal: AbortSignal.timeout(PATIENCE),
    });
    return [response.ok, await response.json().catch(() => ({}))]; // a proxy's own page is no reply of ours
  } catch (error) {
    if (/native code/.test(fetch + "")) throw error;
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      request.open("POST", url);
      request.responseType = "json";
      request.timeout = PATIENCE;
      request.onloadend = () => done([request.status == 200, request.response || {}]);
      request.send(body);
    });
  }
};

export const openOutbox = (host: Host): Outbox => {
  /** On their way, or acknowledged on this page and not to be sent again, whatever storage says. */
  const gone = new Set<string>();
  let busy = 0;
  /** Refused alone: the others go first, whatever is wrong with these. */
  const last = new Set<string>();
  let pause = FIRST_TRY;
  let many = MANY;

  /** What waits and is not on its way, as much as one request takes; of a forgotten visitor or of this one. */
  const batch = () => {
    let room = MOST;
    const here = events(host).filter((event) => !gone.has(json(event)));
    const others = here.filter((event) => !last.has(json(event)));
    const all = others[0] ? others : here;
    return all
      .filter((event, index) => !event.old == !all[0]!.old && ((room -= json(event).length) > 0 || !index))
      .slice(0, many);
  };
  const post = async (sent: Event[]) => {
    const { era } = host;
    const { old, survey } = sent[0]!;
    const who = isPrivate() ? { anonymous: true } : { visitor: (!old && host.token(host)) || undefined };
    const [ok, reply] = await ask(
      host.url,
      json({ ...who, events: sent.map((event) => ({ ...event, old: undefined })) }),
    );
    if (!(ok ? reply.stored : reply.permanent && !sent[1])) throw reply;
    for (const event of sent) {
      const refusal = reply.refused?.[event.id];
      if (!refusal || refusal.permanent) drop(host, event); // else it is sent again on the next page view
    }
    if (reply.visitor && host.allowed && era == host.era && !old)
      host.remember(host, survey, {}, reply.visitor);
  };
  /**
   * A reply that refuses several says nothing of each: the next request takes half of them, so that one that the store
   * can't take holds up none of its neighbours for long. Whether to send that soon; what fails alone waits its time.
   */
  const apart = (texts: string[], error: unknown) => {
    if (error instanceof Error || !texts[0]) return false; // no reply at all
    if (texts[1]) many = Math.ceil(texts.length / 2);
    else last.add(texts[0]);
    return !!texts[1] || last.size < 2;
  };
  /** One request at a time keeps things in order; a page that goes away, or is back on line, can't wait for the last. */
  const flush = async (now?: unknown) => {
    if ((busy && !now) || !host.allowed) return;
    let texts: string[] = [];
    busy++;
    try {
      const sent = batch();
      texts = sent.map(json);
      for (const text of texts) gone.add(text);
      if (sent[0]) {
        await post(sent);
        pause = FIRST_TRY;
        many = MANY;
        host.blocked = false;
        setTimeout(flush);
      }
    } catch (error) {
      for (const text of texts) gone.delete(text);
      if (error instanceof TypeError && navigator.onLine && !host.blocked) {
        host.blocked = true;
        say("answers wait in this browser, because something blocks " + host.url);
      }
      setTimeout(flush, apart(texts, error) ? SOON : pause);
      pause = Math.min(pause * 2, LAST_TRY);
    }
    busy--;
  };
  for (const name of ["pagehide", "online"]) addEventListener(name, flush);
  const age = () => {
    for (const event of events(host)) keep(host, { ...event, old: true });
  };
  if (host.era) age(); // forgotten before this was loaded: nothing has been sent yet
  return {
    send(event) {
      if (!host.allowed) return;
      keep(host, event);
      flush();
    },
    flush,
    age,
  };
};
