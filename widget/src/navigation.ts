/** Which changes of the address are a new page view, and hearing of them. */
import { guard } from "./guard";
import { own } from "./page";
import { matches } from "./rules";
import type { Survey } from "./types";

/**
 * A page is its path and what the rules of the surveys see of the rest: which of their patterns match, and where one that
 * looks at the fragment does, which that is, because then it is a route. What else a page notes in its address, such as
 * the section that is read, the second of a film or a filter, makes no other page of it.
 */
export const pageAt = (surveys: Survey[], url: URL): string =>
  url.pathname +
  surveys.map(({ include, exclude }) =>
    [include, exclude]
      .flat()
      .map((pattern) => pattern && matches(pattern, url) && (pattern.hash ? url["hash"] : 1)),
  );

/** Calls back when the page has become another, or is there again from the browser's memory. */
export const follow = (surveys: Survey[], arrived: () => void): void => {
  const here = () => pageAt(surveys, new URL(location.href));
  let before = here();
  const moved = () =>
    guard(() => {
      const now = here();
      if (before != now) arrived();
      before = now;
    });
  const navigation = own<EventTarget>("navigation");
  if (navigation) navigation.addEventListener("currententrychange", moved);
  else {
    for (const name of ["pushState", "replaceState"] as const)
      guard(() => {
        const original = history[name];
        history[name] = function (...args) {
          original.apply(this, args);
          moved();
        };
      });
    addEventListener("popstate", moved);
  }
  addEventListener("pageshow", (event) => event.persisted && guard(arrived));
};
