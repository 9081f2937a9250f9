/** A page view: every survey that may show on it waits for its moment. */
import { guard } from "./guard";
import { inDocument, own } from "./page";
import { decide, Reason } from "./rules";
import { giveUp, show, withUi } from "./showing";
import { recall, remember, waiting } from "./storage";
import { type Condition, watch } from "./triggers";
import type { Survey, View } from "./types";

const reason = (view: View, survey: Survey) =>
  decide(survey, new URL(location.href), innerWidth, recall(view.host, survey.key_), Date.now() / 1000, view);

/** Wait for the moment of one survey. */
const wait = (view: View, survey: Survey, signal: AbortSignal) => {
  const { host } = view;
  const may = () => !signal.aborted && reason(view, survey) == Reason.Show;
  const due = () =>
    guard(() => {
      if (view.taken || !may()) return;
      if (inDocument("hidden")) return addEventListener("visibilitychange", due, { once: true });
      if (survey.sample && recall(host, survey.key_).draw == undefined)
        remember(host, survey.key_, { draw: (Math.random() * 100) | 0 });
      if (may()) show(view, survey, may);
    });
  // a frame that gets its size later, a window made wider, a phone turned
  if (reason(view, survey) == Reason.Screen)
    addEventListener("resize", () => guard(() => wait(view, survey, signal)), { once: true, signal });
  if (!may()) return;
  const met = new Set<Condition>();
  view.watched.set(survey, met);
  watch(survey, view, met, due, signal);
};

/** Nobody waits any longer. */
export const stop = (view: View): void => {
  view.life?.abort();
  view.life = undefined;
  view.hears.clear();
  view.watched.clear();
};

/** Wait for every survey that may show here, once the page is ready. */
export const begin = (view: View): void => {
  const { host, surveys } = view;
  stop(view);
  if (!host.allowed || !view.ready) return;
  if (host.attend) host.attend(host);
  if (waiting(host)[0]) withUi(view, (loaded) => loaded.flush());
  const { signal } = (view.life = new AbortController());
  for (const survey of surveys) guard(() => wait(view, survey, signal));
};

/** The page is ready: the first page view begins as soon as the browser has time for it. */
export const open = (view: View): void => {
  view.ready = true;
  const idle = own<typeof requestIdleCallback>("requestIdleCallback") || setTimeout;
  idle(() => view.life || guard(() => begin(view))); // unless something else began already
};

/** Another page, or the same one again from the browser's memory. */
export const arrive = (view: View): void => {
  const { onPage } = view;
  view.named.clear();
  onPage?.arrive(reason(view, onPage.survey));
  if (!view.pending?.manual) giveUp(view);
  begin(view);
};
