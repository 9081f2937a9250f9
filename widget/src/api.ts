/**
 * The only user of fetch: an outbox that empties on acknowledgement alone.
 *
 * An event is kept before it is sent and dropped when the collector says that it is on disk, or that it never will take
 * it. On all else it stays: for the next try, the next page view, the next day.
 */
import { drop, events, json, keep } from "./storage";
import type { Event, Host } from "./types";

/** Milliseconds until a reply is given up; until the first new try, doubled each time; and between tries at most. */
const PATIENCE = 15_000;
const FIRST_TRY = 5_000;
const LAST_TRY = 300_000;
/** Characters in one request, which may be three bytes each: browsers allow 64 KiB to a page that is going away. */
const MOST = 20_000;
/** Events in one request; the collector takes 50. */
const MANY = 40;

export interface Outbox {
  send: (event: Event) => void;
  flush: () => void;
  /** What waits is not to bring a forgotten visitor back. */
  age: () => void;
}

/** Whether this browser asks not to be known (Global Privacy Control). */
export const isPrivate = () => !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;

export const openOutbox = (host: Host): Outbox => {
  /** On their way, or acknowledged on this page and not to be sent again, whatever storage says. */
  const gone = new Set<string>();
  let busy = 0;
  let pause = FIRST_TRY;
  let many = MANY;

  /** What waits and is not on its way, as much as one request takes; of a forgotten visitor or of this one. */
  const batch = () => {
    let room = MOST;
    return events(host)
      .filter((event) => !gone.has(json(event)))
      .filter((event, _, [first]) => !event.old == !first!.old)
      .filter((event, index) => (room -= json(event).length) > 0 || !index)
      .slice(0, many);
  };
  const post = async (sent: Event[]) => {
    const { era } = host;
    const { old, survey } = sent[0]!;
    const who = isPrivate() ? { anonymous: true } : { visitor: (!old && host.visitor(host)) || undefined };
    const response = await fetch(host.url, {
      method: "POST",
      keepalive: true,
      credentials: "omit",
      headers: { "content-type": "text/plain" },
      body: json({ ...who, events: sent.map((event) => ({ ...event, old: undefined })) }),
      signal: AbortSignal.timeout?.(PATIENCE) ?? null,
    });
    const reply = await response.json();
    if (!response.ok && reply.permanent && sent.length > 1) {
      many = 1; // a refusal of several says nothing of each: they are sent again one by one
      throw response;
    }
    if (!(response.ok ? reply.stored : reply.permanent)) throw response;
    for (const event of sent) drop(host, event);
    if (reply.visitor && host.allowed && era == host.era && !old)
      host.remember(host, survey, {}, reply.visitor);
  };
  /** One request at a time keeps things in order; a page that goes away can't wait for the last. */
  const flush = (leaving?: boolean) => {
    if ((busy && !leaving) || !host.allowed) return;
    const sent = batch();
    if (!sent.length) return;
    const texts = sent.map(json);
    for (const text of texts) gone.add(text);
    busy++;
    post(sent).then(
      () => {
        busy--;
        pause = FIRST_TRY;
        flush();
      },
      () => {
        busy--;
        for (const text of texts) gone.delete(text);
        setTimeout(flush, pause);
        pause = Math.min(pause * 2, LAST_TRY);
      },
    );
  };
  addEventListener("pagehide", () => flush(true));
  addEventListener("online", () => flush());
  return {
    send(event) {
      if (!host.allowed) return;
      keep(host, event);
      flush();
    },
    flush: () => flush(),
    age() {
      for (const event of events(host)) keep(host, { ...event, old: true });
    },
  };
};
