/** Hears when the visitor may have turned to something else: no polling, and next to no work where nothing has changed. */
import { listen } from "./dom";

/** After which a look may give something else, as after any change of the page: dialogs and full screen make some. */
const EVENTS = "visibilitychange focus blur keydown transitionend";
/** Milliseconds in which changes of the page are one; the focus has arrived by then. */
const CALM = 50;
/** Looks take at most one part in so many of the processor's time, however large the page is and however often it changes. */
const SHARE = 100;

/**
 * Calls back after changes until the signal says to stop.
 *
 * @param root what is drawn changes its style and `hidden` itself; it is called at once when the page has taken that off
 * @returns when the last key was pressed, or the focus went where none can be heard; in milliseconds since 1970
 */
export const hearChanges = (root: HTMLElement, call: () => void, signal: AbortSignal): (() => number) => {
  let pressed = Date.now();
  let wait = CALM;
  let due: unknown;
  const look = () => {
    const start = Date.now();
    due = call();
    wait = Math.max(CALM, (Date.now() - start) * SHARE);
  };
  const later = () => {
    due ||= setTimeout(look, wait);
  };
  const seen = new MutationObserver((records) => {
    if (root.dataset.state && !root.isConnected) call();
    if (
      records.some(({ target, attributeName }) => target != root || !/^(hidden|style)$/.test(attributeName!))
    )
      later();
  });
  seen.observe(document, { subtree: true, childList: true, attributes: true });
  signal.onabort = () => seen.disconnect();
  listen(
    window,
    EVENTS,
    ({ type, target }) => {
      if (type == "keydown" || target == window) pressed = Date.now();
      later();
    },
    signal,
  );
  return () => pressed;
};
