/** The loader for pages that pin their scripts: its bytes never change, so it asks for the site's surveys. */
import { guard } from "./guard";
import { start } from "./loader";
import { pinned } from "./pinned";
import { say } from "./say";
import { inTag, readTag } from "./tag";

/** Which format of the configuration this build reads. */
declare const __FORMAT__: number;

guard(() => {
  const tag = readTag("/w/loader-");
  const [base, said] = inTag(tag);
  const site = said("site");
  if (!site || !base) return say("the pinned script does nothing without data-site in its own tag");
  const files = pinned(base, tag!.nonce || tag!.dataset.nonce);
  fetch(`${base}${site}.json?format=${__FORMAT__}`, { credentials: "omit" })
    .then((response) => response.json())
    // the configuration may name no address: what was pinned says where everything is
    .then((config) => guard(() => start({ bases: [base], said, files }, config)))
    .catch(() => {}); // the collector is away: the page goes on without it
});
