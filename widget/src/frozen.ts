/** The loader for pages that pin their scripts: its bytes never change, so it asks for the site's surveys. */
import { guard } from "./guard";
import { start } from "./loader";

/** Which format of the configuration this build reads. */
declare const __FORMAT__: number;

guard(() => {
  const tag = document.currentScript as HTMLScriptElement;
  fetch(new URL(`${tag.dataset.site}.json?format=${__FORMAT__}`, tag.src).href, { credentials: "omit" })
    .then((response) => response.json())
    .then((config) => guard(() => start(tag, config)))
    .catch(() => {}); // the collector is away: the page goes on without it
});
