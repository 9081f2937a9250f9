/** DOM calls: no markup is ever parsed. */

export type Child = Node | string | false | undefined;

import { inDocument } from "./page";

/** What the document has under a name, whatever the page's markup is called; functions are those of the document. */
export const page = <Name extends keyof Document>(name: Name): Document[Name] => {
  const found = inDocument(name) as any;
  return found?.bind ? found.bind(document) : found;
};

/** The elements of the page that a selector names. */
export const all = (selector: string) => page("querySelectorAll")(selector);

/** An element; `on…` are listeners, all else attributes, and what is undefined or false is left out. */
export const h = <T extends Element>(
  name: string,
  attributes: Record<string, unknown> = {},
  ...children: Child[]
): T => {
  const element = page("createElement")(name);
  for (const [key, value] of Object.entries(attributes))
    if (typeof value == "function") element.addEventListener(key.slice(2), value as EventListener);
    else if (value != null) element.setAttribute(key, value + "");
  put(element, ...children);
  return element as unknown as T;
};

/** Until the browser has done what else it has to do. */
export const pause = (milliseconds = 0) => new Promise((done) => setTimeout(done, milliseconds));

/** What an element holds from now on; undefined, false and empty ones are left out. */
export const put = (element: Element, ...children: Child[]) =>
  element.replaceChildren(...children.filter((child): child is Node | string => !!child));

/** Hear of events before the page does. */
export const listen = (
  target: EventTarget,
  names: string,
  handler: (event: Event) => void,
  signal: AbortSignal,
): void =>
  names
    .split(" ")
    .forEach((name) => target.addEventListener(name, handler, { capture: true, passive: true, signal }));
