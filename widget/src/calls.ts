/** What the page may ask for: `tevreden.push([name, ...arguments])`, and a method under each name. */
import { guard } from "./guard";
import { giveUp, show, withUi } from "./showing";
import { erase, forget, waiting } from "./storage";
import type { Explain, Identity, Survey, View } from "./types";
import { begin, stop } from "./visit";

export type Call = [name: string, ...args: unknown[]];
export type Calls = Record<string, (...args: unknown[]) => unknown>;

/** The visitor goes: whoever comes next is asked on the next page view. */
const leave = (view: View) => {
  stop(view);
  view.onPage?.destroy();
  giveUp(view);
  view.host.identity = undefined;
};

/** Every call, as the page makes it. */
const callsOn = (view: View, { host } = view) => ({
  event(name: string) {
    view.named.add(name);
    for (const hear of view.hears) hear();
  },
  show(key: string, options?: { mount?: Element }) {
    const showNow = (survey: Survey) => show(view, survey, undefined, options?.mount);
    const survey = view.surveys.find((one) => one.key_ == key);
    if (!host.allowed) return;
    if (survey) showNow(survey);
    else withUi(view, (loaded) => loaded.seek(view, key, showNow)); // not of those that show by themselves
  },
  dismiss: () => view.onPage?.dismiss(),
  identify({ email }: Identity, signature?: string) {
    host.identity = email ? { email: email + "", signature: signature + "" } : undefined;
  },
  consent(given: boolean) {
    if (!given) {
      leave(view);
      erase(host);
    }
    if (host.allowed == given) return;
    host.allowed = given;
    begin(view);
  },
  reset() {
    leave(view);
    forget(host);
    if (waiting(host)[0]) withUi(view, (loaded) => loaded.age());
  },
  on: (name: string, handler: (detail: unknown) => void) =>
    addEventListener("tevreden:" + name, (event) => handler((event as CustomEvent).detail), true),
  explain: (draw?: boolean) =>
    view.files("explain").then((loaded) => (loaded as { explain: Explain }).explain(view, draw)),
});

/** What stands on the page instead of its queue: every call by its name, and none of them throws into the page. */
export const apiOf = (view: View, site: string): Calls => {
  const api = { site } as unknown as Calls;
  const push = ([name, ...args]: Call) => api[name]!(...args);
  for (const [name, call] of Object.entries({ ...callsOn(view), push }))
    api[name] = (...args) => guard(() => (call as Calls[string])(...args));
  return api;
};
