/** What has the visitor's attention, so that a survey waits for it or steps aside. */
import { all, page } from "./dom";
import { hidden, KEPT, within } from "./sight";

/** Why a survey that is due waits: an index of `BUSY`. */
export type Busy = 0 | 1 | 2 | 3 | 4 | 5;
export const BUSY = ["", "modal", "hidden", "fullscreen", "typing", "unseen"] as const;

/** Elements that may be modal; whether they are is seen by what the page does with the rest. */
const DIALOGS = "dialog,[role$=dialog],[aria-modal=true]";
/** What someone could use or read, and so is no decoration where it is hidden. */
const CONTENT = "a,p,h1,input";
/** Milliseconds after which a focus that cannot be looked into is no longer taken for typing. */
const LONGEST_SILENCE = 30_000;

const { matches } = Element.prototype; // a form may have a field of any name

/** The element with the focus, inside shadow roots, and frames if so wished. */
const focus = (frames?: boolean, at = page("activeElement")): Element | null => {
  const { shadowRoot, contentDocument } = (at || {}) as HTMLIFrameElement;
  const inner = (shadowRoot || (frames && contentDocument) || undefined)?.activeElement;
  return inner ? focus(frames, inner) : at;
};

/** The dialog around an element, through shadow roots; a survey is none. */
const dialogAround = (at: Element | null | undefined): Element | null | undefined => {
  const found = at?.closest(DIALOGS);
  const host = at && within(at);
  return host?.localName == "tevreden-survey" ? undefined : found || (host && dialogAround(host));
};

/** Whether what stands beside an element, or beside what it is in, has been hidden from those who cannot see. */
const othersHidden = (one: Element): boolean => {
  const outer = one.parentElement || within(one);
  return (
    !!outer &&
    ([...outer.children].some(
      (other) => matches.call(other, KEPT) && other.querySelector(CONTENT) && other.getClientRects()[0],
    ) ||
      othersHidden(outer))
  );
};

/** Whether a dialog keeps the visitor from the page; or, with an element, from that. */
export const modal = (element: Element | null = null): boolean => {
  const front = dialogAround(focus()); // the only one that may be in a shadow root
  return [...all(DIALOGS), front].some(
    (one) =>
      one &&
      !one.contains(element) &&
      !hidden(one) &&
      (matches.call(one, ":modal,[aria-modal=true]") ||
        othersHidden(one) ||
        getComputedStyle(page("body")).overflowY == "hidden" || // the page cannot be scrolled
        (one == front && !element)), // someone is at it
  );
};

/**
 * Whether someone writes.
 *
 * @param waiting a survey waits already: then a field is left only for something that is none, not for the next one
 * @param since the last sign of it, in milliseconds since 1970, where the focus cannot be looked into
 */
const typing = (waiting: boolean | undefined, since: number) => {
  const at = focus(true) as HTMLInputElement | null;
  return (
    at &&
    (at.matches(":read-write")
      ? waiting || at.value || at.textContent
      : /-|frame/.test(at.localName) && !at.shadowRoot && Date.now() - since < LONGEST_SILENCE)
  );
};

/** What has the visitor. */
export const busy = (waiting?: boolean, since = Infinity): Busy =>
  modal()
    ? 1
    : page("hidden")
      ? 2
      : page("fullscreenElement")
        ? 3
        : typing(waiting, since)
          ? 4
          : hidden(page("body"))
            ? 5
            : 0;
