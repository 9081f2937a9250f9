/** Where a survey stands in the window. */
import { style } from "./card";
import { page } from "./dom";

/** Above the keyboard of a phone, in what is left of the window, at the size that the page was made for. */
export const fit = (root: HTMLElement, inline: boolean) => {
  const { scale, height, offsetTop } = visualViewport!;
  const zoomed = scale != 1;
  style(root, "up", (zoomed ? 0 : innerHeight - height - offsetTop) + "px");
  style(root, "high", (zoomed ? innerHeight : height) + "px");
  const body = page("body") as HTMLElement & { currentCSSZoom?: number };
  style(root, "zoom", inline ? 1 : 1 / (body.currentCSSZoom || +getComputedStyle(body).zoom));
};
