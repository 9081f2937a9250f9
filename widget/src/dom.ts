/** DOM calls: no markup is ever parsed. */

export type Child = Node | string | false | undefined;

/** An element; `on…` are listeners, all else attributes, and what is undefined or false is left out. */
export const h = <T extends Element>(
  name: string,
  attributes: Record<string, unknown> = {},
  ...children: Child[]
): T => {
  const element = document.createElement(name);
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
