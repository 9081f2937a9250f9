/** When: waits for a survey's conditions on this page view. No polling; everything can be taken back. */
import { inDocument } from "./page";
import type { Survey, View } from "./types";

/** A page shorter than its window counts as scrolled, once it has had this long to grow. Milliseconds. */
const SETTLE = 4000;
/** CSS pixels that something is larger than its box without being there to scroll. */
const SLACK = 9;
/** Milliseconds in which changes of the page are one; looks for an element take at most one part in so many of the time. */
const CALM = 50;
const SHARE = 50;

/** What there is to scroll in an element, in CSS pixels. */
const room = ({ scrollHeight, clientHeight }: Element) => scrollHeight - clientHeight;
/** Whether it fills so much of the window that it is what a visitor scrolls. */
const large = ({ clientHeight }: Element) => clientHeight * 2 > innerHeight;

/**
 * Calls `due` when any or all of what is set holds; at once if nothing is set.
 *
 * @param met is filled with the conditions that hold
 * @param undo is given calls that together stop the waiting
 */
export const watch = (
  survey: Survey,
  { named, hears }: View,
  met: Set<string>,
  due: () => void,
  undo: (() => void)[],
): void => {
  const { delay, scroll, exit, event_: event, element } = survey;
  let needed = 0;
  const listen = (target: EventTarget, name: string, handler: (event: globalThis.Event) => void) => {
    target.addEventListener(name, handler, true);
    undo.push(() => target.removeEventListener(name, handler, true));
  };
  const hold = (condition: string) => {
    met.add(condition);
    if (!survey.all_ || met.size == needed) due();
  };

  if (element) {
    needed++;
    let due: unknown;
    const seen = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && hold("element"),
    );
    const look = () => {
      const start = Date.now();
      const found: NodeListOf<Element> = inDocument("querySelectorAll").call(document, element);
      seen.disconnect();
      // what is only there for what is in it has no box of its own
      for (const one of found) seen.observe(one.getClientRects()[0] ? one : one.firstElementChild || one);
      if (!found[0]) met.delete("element");
      due = 0;
      pause = CALM + (Date.now() - start) * SHARE;
    };
    let pause = 0;
    look(); // throws for a selector that is none, before anything waits
    const changed = new MutationObserver(() => (due ||= setTimeout(look, pause)));
    changed.observe(document, { childList: true, subtree: true, attributes: true });
    undo.push(() => (seen.disconnect(), changed.disconnect()));
  }
  if (delay !== undefined) {
    needed++;
    setTimeout(() => hold("delay"), delay * 1000); // it may come when nobody waits any more
  }
  if (scroll) {
    needed++;
    listen(window, "scroll", ({ target }) => {
      const at = target == document ? inDocument("scrollingElement")! : (target as Element);
      if (large(at) && at.scrollTop * 100 >= room(at) * scroll - 100) hold("scroll");
    });
    const settled = () =>
      setTimeout(() => {
        let at: Element | null = inDocument("elementFromPoint").call(
          document,
          innerWidth / 2,
          innerHeight / 2,
        );
        while (at && !(large(at) && room(at) > SLACK)) at = at.parentElement;
        if (!at) hold("scroll");
      }, SETTLE);
    if (inDocument("readyState") == "complete") settled();
    else listen(window, "load", settled);
  }
  if (exit) {
    needed++;
    listen(inDocument("documentElement"), "mouseleave", (leave) => {
      if ((leave as MouseEvent).clientY <= 0) hold("exit");
      met.delete("exit"); // it is over at once
    });
  }
  if (event) {
    needed++; // last, because it may hold already
    const check = () => named.has(event) && hold("event");
    hears.add(check);
    undo.push(() => hears.delete(check));
    check();
  }
  if (!needed) due();
};
