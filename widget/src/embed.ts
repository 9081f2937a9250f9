/** The loader of the tag: the site's surveys are written into it, so that one request is enough. */
import { guard } from "./guard";
import { start } from "./loader";
import { inTag, readTag } from "./tag";
import type { Config } from "./types";

/** The server puts the site's surveys here (`collector/web/visitors/script.py`). */
declare const __TEVREDEN__: Config;

guard(() => {
  const config = __TEVREDEN__;
  const [beside, said] = inTag(readTag(config.site_));
  // where it was copied, or joined to others, only the collector itself knows where it is
  const bases = beside.endsWith("/w/") ? [beside, config.base] : [config.base, beside];
  start({ bases, said }, config);
});
