/** What has the visitor's attention, so that a survey waits for it or steps aside. */

/** Why a survey that is due waits: an index of `BUSY`. */
export type Busy = 0 | 1 | 2 | 3 | 4;
export const BUSY = ["", "modal", "hidden", "fullscreen", "typing"] as const;

/** After which the answer may be another, as after any change of the page: dialogs and full screen make some. */
const EVENTS = ["visibilitychange", "focusout"];
/** Milliseconds in which changes of the page are one; the focus has arrived by then. */
const CALM = 50;

/** Hear of events before the page does. */
export const listen = (
  target: EventTarget,
  names: string[],
  handler: (event: Event) => void,
  signal: AbortSignal,
): void => names.forEach((name) => target.addEventListener(name, handler, { capture: true, signal }));

/**
 * What has the visitor.
 *
 * @param waiting a survey waits already: then a field is left only for something that is none, not for the next one
 */
export const busy = (waiting?: boolean): Busy => {
  const outer = document.activeElement;
  const at = (outer?.shadowRoot?.activeElement || outer) as HTMLInputElement | null;
  const modal = [...document.querySelectorAll("dialog:modal,[aria-modal=true]")];
  return modal.some((one) => one.checkVisibility({ visibilityProperty: true }))
    ? 1
    : document.hidden
      ? 2
      : document.fullscreenElement
        ? 3
        : at?.matches(":read-write") && (waiting || at.value || at.textContent)
          ? 4
          : 0;
};

/** Whether an element on the page is out of the visitor's reach: behind something modal, or made inert. */
export const unreachable = (element: Element): boolean =>
  [...document.querySelectorAll(":modal")].some((one) => !one.contains(element)) ||
  !!element.closest("[inert],[aria-hidden=true]");

/** Calls back when the visitor may have turned to something else, until the signal says to stop; no polling. */
export const onChange = (call: () => void, signal: AbortSignal): void => {
  let changes = 0;
  const later = () => {
    if (!changes++)
      setTimeout(() => {
        changes = 0;
        call();
      }, CALM);
  };
  const seen = new MutationObserver(later);
  seen.observe(document, { subtree: true, childList: true, attributes: true });
  signal.onabort = () => seen.disconnect();
  listen(document, EVENTS, later, signal);
};
