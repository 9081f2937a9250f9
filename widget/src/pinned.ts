/** Further files for those who pin scripts: each runs only if its bytes are those that this build knows. */
import { inDocument, own } from "./page";
import type { Files } from "./types";

/** In the names of the further files of this build. */
declare const __FURTHER__: string;
/** What each of them is held against, by its name. */
declare const __INTEGRITY__: Record<string, string>;

interface Policy {
  createScriptURL: (url: string) => string;
}
/** Made once: a page may allow its name once. */
let policy: Policy | undefined;

/** An address as pages with Trusted Types want it. */
const trusted = (address: string): string => {
  const types = own<{ createPolicy: (name: string, rules: Policy) => Policy }>("trustedTypes");
  policy ||= types?.createPolicy("tevreden", { createScriptURL: (url) => url });
  return policy ? policy.createScriptURL(address) : address;
};

/**
 * An element of its own, because browsers hold that against the hash and `import` can't; a preload would do, but not in
 * WebKit. What it has run is what `import` gives then, without a second request.
 */
export const pinned =
  (base: string, nonce: string | undefined): Files =>
  async (name) => {
    const address = `${base}${name}-${__FURTHER__}.js`;
    await new Promise((loaded, failed) => {
      const script = inDocument("createElement").call(document, "script");
      Object.assign(script, {
        type: "module",
        integrity: __INTEGRITY__[name],
        crossOrigin: "anonymous",
        nonce,
        onload: loaded,
        onerror: failed,
        src: trusted(address),
      });
      inDocument("documentElement").append(script);
      script.remove();
    });
    return import(address);
  };
