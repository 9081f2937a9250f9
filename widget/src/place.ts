/** Where a survey stands in the window, and on what ground. */
import { style } from "./card";
import { page } from "./dom";
import { ground } from "./ground";
import type { Survey } from "./types";

/** Light or dark as what an element stands on; where nothing has a colour, the page's own `color-scheme` holds. */
const schemeAt = (element: Element | null): string =>
  element ? ground(getComputedStyle(element).backgroundColor) || schemeAt(element.parentElement) : "initial";

/** Above the keyboard of a phone, in what is left of the window, at the size that the page was made for. */
export const fit = (root: HTMLElement, { scheme }: Survey, mount: Element | undefined) => {
  const { scale, height, offsetTop } = visualViewport!;
  const zoomed = scale != 1;
  const body = page("body") as HTMLElement & { currentCSSZoom?: number };
  style(root, "up", (zoomed ? 0 : innerHeight - height - offsetTop) + "px");
  style(root, "high", (zoomed ? innerHeight : height) + "px");
  style(root, "zoom", mount ? 1 : 1 / (body.currentCSSZoom || +getComputedStyle(body).zoom));
  style(root, "scheme", scheme || schemeAt(mount || body));
};
