/**
 * The page's document and window, whatever its markup is called.
 *
 * `<img name="currentScript">`, which many sites let visitors post, stands in for `document.currentScript`: images, forms
 * and frames with a name come before what every document has. On the window they only fill in what a browser lacks.
 */

/** Where the document has what it calls so: where no markup stands in for it, if markup does. */
const owner = (name: keyof Document): object => {
  const found = document[name];
  return Object(found) === found ? Document.prototype : document;
};

/**
 * What the document has under a name; a function wants to be called on `document`. What a page has put in place of a text
 * or a number stays, because a page that says no to cookies does it so.
 */
export const inDocument = <Name extends keyof Document>(name: Name): Document[Name] =>
  Reflect.get(owner(name), name, document) as Document[Name];

/** Write a cookie. */
export const setCookie = (text: string): boolean => Reflect.set(owner("cookie"), "cookie", text, document);

/** What the browser or a script has put on the window under a name; nothing for an element that is called so. */
export const own = <Value>(name: string): Value | undefined =>
  window.hasOwnProperty(name) ? (window as never)[name] : undefined;
