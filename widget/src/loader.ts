/** Begins on a page: takes its queue of calls, and starts a page view once the page is ready. */
import { apiOf, type Call } from "./calls";
import { guard } from "./guard";
import { follow } from "./navigation";
import { inDocument, own } from "./page";
import { say } from "./say";
import { attend, claim, remember, visitor, waiting } from "./storage";
import type { Tag } from "./tag";
import type { Config, Files, View } from "./types";
import { arrive, open } from "./visit";

/** What stands there until the page is ready; the key of its site tells scripts of other builds that it is taken. */
type Queue = Call[] & { site?: string };

/** Whether this build is given its further files, because they are pinned or bundled. */
declare const __GIVEN__: boolean;
/** In the names of the further files of this build. */
declare const __FURTHER__: string;

/** The page's queue of calls, made if there is none; nothing if a tag has it already. */
const takeQueue = (site: string): Queue | undefined => {
  const there = own<Queue>("tevreden");
  if (there?.site) {
    if (there.site != site) say("one site a page: " + there.site);
    return;
  }
  const queue = (Array.isArray(there) ? there : []) as Queue; // nothing yet, or something of the page's own
  queue.site = site;
  return ((window as unknown as { tevreden: Queue }).tevreden = queue);
};

/** Further files from where the collector is; where they can't be had there, from where else it may be. */
const filesAt = (bases: Tag["bases"]): Files => {
  const load = (name: string) => import(`${bases[0]}${name}-${__FURTHER__}.js`);
  return (name) =>
    load(name).catch((error) => {
      if (bases[0] == bases[1]) throw error;
      bases.reverse();
      return load(name);
    });
};

const viewOf = ({ bases, said, files }: Tag, config: Config, { site_ } = config): View => ({
  ...config,
  host: {
    name: "tv_" + site_,
    held: {},
    era: 0,
    get url() {
      return bases[0] + site_ + "/answers";
    },
    allowed: !config.consent_required && said("consent") != "required",
    token: visitor,
    remember,
    waiting,
    claim,
    attend: config.once_per_session && attend,
  },
  named: new Set(),
  hears: new Set(),
  watched: new Map(),
  files: __GIVEN__ ? files! : filesAt(bases),
  preferred: said("lang"),
});

/** Once the page is there and looked at; each of the two events comes once. */
const whenReady = (call: () => void): void => {
  const name = inDocument("prerendering" as "hidden")
    ? "prerenderingchange"
    : inDocument("readyState") == "loading" && "DOMContentLoaded";
  if (name) addEventListener(name, () => guard(() => whenReady(call)), true);
  else call();
};

/** Begin on this page, for the surveys of a site. */
export const start = (tag: Tag, config: Config): void => {
  const queue = takeQueue(config.site_);
  if (!queue) return;
  const view = viewOf(tag, config);
  const api = apiOf(view, config.site_);
  whenReady(() => {
    (window as unknown as { tevreden: unknown }).tevreden = api;
    for (const call of queue) api.push!(call);
    follow(view.surveys, () => arrive(view));
    open(view);
    // where the file is blocked, the page hears nothing of it: an error cannot be called, and the guard takes that too
    if (location.href.includes("tevreden=")) (api.explain!(true) as Promise<void>).catch(guard);
  });
};
