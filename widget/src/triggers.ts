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

/** What a survey may wait for. */
export enum Condition {
  Delay,
  Scroll,
  Exit,
  Event,
  Element,
}

/** What there is to scroll in an element, in CSS pixels. */
const room = ({ scrollHeight, clientHeight }: Element) => scrollHeight - clientHeight;
/** Whether it fills so much of the window that it is what a visitor scrolls. */
const large = ({ clientHeight }: Element) => clientHeight * 2 > innerHeight;

/**
 * Calls `due` when any or all of what is set holds; at once if nothing is set.
 *
 * @param met is filled with the conditions that hold
 * @param signal stops the waiting
 */
export const watch = (
  survey: Survey,
  { named, hears }: View,
  met: Set<Condition>,
  due: () => void,
  signal: AbortSignal,
): void => {
  const { delay, scroll, exit, event_: event, element } = survey;
  let needed = 0;
  const options = { capture: true, signal };
  const hold = (condition: Condition) => {
    met.add(condition);
    if (!survey.all_ || met.size == needed) due();
  };

  if (element) {
    needed++;
    let due: unknown;
    const seen = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && hold(Condition.Element),
    );
    const look = () => {
      const start = Date.now();
      const found: NodeListOf<Element> = inDocument("querySelectorAll").call(document, element);
      seen.disconnect();
      // what is only there for what is in it has no box of its own
      for (const one of found) seen.observe(one.getClientRects()[0] ? one : one.firstElementChild || one);
      if (!found[0]) met.delete(Condition.Element);
      due = 0;
      pause = CALM + (Date.now() - start) * SHARE;
    };
    let pause = 0;
    look(); // throws for a selector that is none, before anything waits
    const changed = new MutationObserver(() => (due ||= setTimeout(look, pause)));
    changed.observe(document, { childList: true, subtree: true, attributes: true });
    signal.addEventListener("abort", () => {
      seen.disconnect();
      changed.disconnect();
    });
  }
  if (delay != undefined) {
    needed++;
    setTimeout(() => hold(Condition.Delay), delay * 1000); // it may come when nobody waits any more
  }
  if (scroll) {
    needed++;
    const scrolled = ({ target }: globalThis.Event) => {
      const at = target == document ? inDocument("scrollingElement")! : (target as Element);
      if (large(at) && at.scrollTop * 100 >= room(at) * scroll - 100) hold(Condition.Scroll);
    };
    addEventListener("scroll", scrolled, options);
    const settled = () =>
      setTimeout(() => {
        let at: Element | null = inDocument("elementFromPoint").call(
          document,
          innerWidth / 2,
          innerHeight / 2,
        );
        while (at && !(large(at) && room(at) > SLACK)) at = at.parentElement;
        if (!at) hold(Condition.Scroll);
      }, SETTLE);
    if (inDocument("readyState") == "complete") settled();
    else addEventListener("load", settled, options);
  }
  if (exit) {
    needed++;
    const left = ({ clientY }: MouseEvent) => {
      if (clientY <= 0) hold(Condition.Exit);
      met.delete(Condition.Exit); // it is over at once
    };
    inDocument("documentElement").addEventListener("mouseleave", left, options);
  }
  if (event) {
    needed++; // last, because it may hold already
    const check = () => named.has(event) && hold(Condition.Event);
    hears.add(check);
    check();
  }
  if (!needed) due();
};
