/**
 * What proves that a later state of an answer comes from the browser that gave it: 128 random bits in base64url. It goes
 * with every event of one showing and waits with them; nobody is ever told it.
 */
export const newSecret = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .slice(0, 22);
