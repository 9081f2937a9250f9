/** Whether something on a page can be seen, and reached. */
import { page } from "./dom";

/** What is inert, or hidden from those who cannot see. */
export const KEPT = "[inert],[aria-hidden=true]";

/** CSS pixels from its edge that something is looked for at its corners. */
const EDGE = 9;

/** The host of the shadow root that an element is in. */
export const within = (one: Element) => (one.getRootNode() as ShadowRoot)["host"] as Element | undefined;

/** Whether an element is kept from being seen or used, by what it is in or by itself. */
export const hidden = (one: Element): boolean =>
  !one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) ||
  kept(one) ||
  getComputedStyle(one).contentVisibility == "hidden";

/** Whether an element is, or is in, what is inert. */
export const kept = (one: Element): boolean => !!one.closest(KEPT);

/** Whether some part of what is in the window can be pressed: nothing lies over all of it, nothing modal is open. */
export const reachable = (root: Element): boolean => {
  const { left, top, right, bottom } = root.getBoundingClientRect();
  const points = [
    [left + EDGE, top + EDGE],
    [right - EDGE, bottom - EDGE],
    [(left + right) / 2, (top + bottom) / 2],
  ] as const;
  const tree = root.getRootNode() as ShadowRoot;
  return points.some(
    ([x, y]) => (tree["host"] ? tree.elementFromPoint(x, y) : page("elementFromPoint")(x, y)) == root,
  );
};
