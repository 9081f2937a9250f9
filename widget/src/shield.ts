/**
 * Keeps what happens inside a survey from the page. To the page's handlers it all happens to one unknown element, and many
 * cancel what does not happen to a field. What they cancelled before it could be kept from them is made up for.
 */
import { listen, page } from "./dom";

const KEPT =
  "keydown keyup keypress pointerdown pointerup mousedown mouseup click touchstart touchmove touchend wheel focusin focusout " +
  "beforeinput";

/**
 * @param presses what a click does, by the class of a button; listeners of its own would hear nothing
 * @returns gives the focus back to what had it when the page took it all off, unless something else has it
 */
export const shield = (
  root: HTMLElement,
  signal: AbortSignal,
  presses: Record<string, () => void>,
  escape: () => void,
): (() => void) => {
  const shadow = root.shadowRoot!;
  let held: HTMLElement | undefined;
  listen(shadow, "focusin", ({ target }) => (held = target as HTMLElement), signal); // between fields it is no news outside
  listen(
    window,
    KEPT,
    (event) => {
      const path = event.composedPath();
      if (!path.includes(root)) return;
      event.stopImmediatePropagation();
      const at = path[0] as HTMLElement;
      const { type, key, isComposing } = event as KeyboardEvent;
      if (type == "keydown" && key == "Escape" && !isComposing) escape();
      if (type == "click") {
        presses[at.className]?.();
        if (at.matches(":read-write") && shadow.activeElement != at) at.focus(); // the page has cancelled what would
      }
    },
    signal,
  );
  return () => {
    if (page("activeElement") == page("body")) held?.focus();
  };
};
