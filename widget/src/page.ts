/**
 * The page's document and window, whatever its markup is called.
 *
 * `<img name="currentScript">`, which many sites let visitors post, stands in for `document.currentScript`: images, forms
 * and frames with a name come before what every document has. On the window they only fill in what a browser lacks.
 */

/**
 * What the document has under a name. Elements, and functions with them, are asked for where no markup stands in for them;
 * a function wants to be called on `document`. What else a page has put there stays.
 */
export const inDocument = <Name extends keyof Document>(name: Name): Document[Name] => {
  const found = document[name];
  return Object(found) === found
    ? (Reflect.get(Document.prototype, name, document) as Document[Name])
    : found;
};

/** What the browser or a script has put on the window under a name; nothing for an element that is called so. */
export const own = <Value>(name: string): Value | undefined =>
  window.hasOwnProperty(name) ? (window as never)[name] : undefined;

/** Write a cookie, whatever an image is called. */
export const setCookie = (text: string): boolean => Reflect.set(Document.prototype, "cookie", text, document);
