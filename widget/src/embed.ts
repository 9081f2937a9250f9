/** The loader of the tag: the site's surveys are written into it, so that one request is enough. */
import { guard } from "./guard";
import { start } from "./loader";
import type { Config } from "./types";

/** The server puts the site's surveys here (`collector/web/script.py`). */
declare const __TEVREDEN__: Config;

guard(() => start(document.currentScript as HTMLScriptElement, __TEVREDEN__));
