/**
 * The only user of fetch: an outbox that empties on acknowledgement alone.
 *
 * An event is kept before it is sent and dropped when the collector says that it is on disk, or that it never will take
 * it. On all else it stays: for the next try, the next page view, the next day.
 */
import { drop, events, keep, setVisitor, visitor } from "./storage";
import type { Event, Host } from "./types";

/** Milliseconds until a reply is given up, and until the first new try, doubled each time. */
const PATIENCE = 15_000;
const FIRST_TRY = 5_000;
/** Characters in one request, which may be three bytes each: browsers allow 64 KiB to a page that is going away. */
const MOST = 20_000;

export interface Outbox {
  send: (event: Event) => void;
  flush: () => void;
}

export const openOutbox = ({ events: url, place, identity, allowed }: Host): Outbox => {
  let flying: Event[] = [];
  let pause = FIRST_TRY;
  const anonymous = (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;

  /** What waits and is not on its way, as much as one request takes. */
  const batch = () => {
    let room = MOST;
    return events(place).filter((event) => {
      if (flying.some(({ id, state }) => id == event.id && state == event.state)) return;
      room -= JSON.stringify(event).length;
      return room > 0 || room + JSON.stringify(event).length == MOST;
    });
  };
  const post = async (sent: Event[]) => {
    const who = anonymous ? { anonymous } : { visitor: visitor(place) || undefined, identity: identity() };
    const response = await fetch(url, {
      method: "POST",
      keepalive: true,
      credentials: "omit",
      headers: { "content-type": "text/plain" },
      body: JSON.stringify({ ...who, events: sent }),
      signal: AbortSignal.timeout?.(PATIENCE) ?? null,
    });
    const reply = await response.json();
    if (!(response.ok ? reply.stored : reply.permanent)) throw response;
    for (const event of sent) drop(place, event);
    if (reply.visitor && allowed()) setVisitor(place, reply.visitor);
  };
  /** One request at a time keeps things in order; a page that goes away can't wait for the last. */
  const flush = (leaving?: boolean) => {
    if ((flying.length && !leaving) || !allowed()) return;
    const sent = batch();
    if (!sent.length) return;
    flying = [...flying, ...sent];
    post(sent).then(
      () => {
        flying = flying.filter((event) => !sent.includes(event));
        pause = FIRST_TRY;
        flush();
      },
      () => {
        flying = flying.filter((event) => !sent.includes(event));
        setTimeout(flush, (pause *= 2));
      },
    );
  };
  addEventListener("pagehide", () => flush(true));
  addEventListener("online", () => flush());
  return {
    send(event) {
      keep(place, event);
      flush();
    },
    flush: () => flush(),
  };
};
