/** When: waits for a survey's conditions on this page view. No polling; everything can be taken back. */
import type { Survey, View } from "./types";

/** A page shorter than its window counts as scrolled, once it has had this long to grow. Milliseconds. */
const SETTLE = 1000;

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
    target.addEventListener(name, handler);
    undo.push(() => target.removeEventListener(name, handler));
  };
  const hold = (condition: string) => {
    met.add(condition);
    if (!survey.all_ || met.size == needed) due();
  };

  if (element) {
    needed++;
    const seen = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && hold("element"),
    );
    const look = () => document.querySelectorAll(element).forEach((found) => seen.observe(found));
    look(); // throws for a selector that is none, before anything waits
    const grown = new MutationObserver(look);
    grown.observe(document, { childList: true, subtree: true });
    undo.push(() => (seen.disconnect(), grown.disconnect()));
  }
  if (delay !== undefined) {
    needed++;
    setTimeout(() => hold("delay"), delay * 1000); // it may come when nobody waits any more
  }
  if (scroll) {
    needed++;
    const check = () => {
      const room = document.documentElement.scrollHeight - innerHeight;
      if (scrollY * 100 >= room * scroll - 100) hold("scroll");
    };
    const settled = () => setTimeout(check, SETTLE);
    listen(window, "scroll", check);
    if (document.readyState == "complete") settled();
    else listen(window, "load", settled);
  }
  if (exit) {
    needed++;
    listen(document.documentElement, "mouseleave", (leave) => {
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
