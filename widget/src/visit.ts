/** A page view: every survey that may show on it waits for its moment. */
import { guard } from "./guard";
import { inDocument, own } from "./page";
import { decide } from "./rules";
import { giveUp, show, withUi } from "./showing";
import { recall, remember, waiting } from "./storage";
import { watch } from "./triggers";
import type { Survey, View } from "./types";

const reason = ({ host }: View, survey: Survey) =>
  decide(survey, new URL(location.href), innerWidth, recall(host, survey.key_), Date.now() / 1000);

/** Wait for the moment of one survey. */
const wait = (view: View, survey: Survey) => {
  const { host, stops } = view;
  let current = true;
  const may = () => current && reason(view, survey) == "show";
  const due = () =>
    guard(() => {
      if (view.taken || !may()) return;
      if (inDocument("hidden")) return addEventListener("visibilitychange", due, { once: true });
      if (survey.sample && recall(host, survey.key_).draw === undefined)
        remember(host, survey.key_, { draw: (Math.random() * 100) | 0 });
      if (may()) show(view, survey, may);
    });
  const now = reason(view, survey);
  if (now == "screen") {
    // a frame that gets its size later, a window made wider, a phone turned
    const again = () => guard(() => current && wait(view, survey));
    addEventListener("resize", again, { once: true });
    stops.push(() => (current = false));
  }
  if (!may()) return;
  const met = new Set<string>();
  view.watched.set(survey, met);
  stops.push(() => (current = false));
  watch(survey, view, met, due, stops);
};

/** Nobody waits any longer. */
export const stop = (view: View): void => {
  for (const call of view.stops) call();
  view.stops = [];
  view.watched.clear();
};

/** Wait for every survey that may show here, once the page is ready. */
export const begin = (view: View): void => {
  const { host, surveys } = view;
  stop(view);
  if (!host.allowed || !view.ready) return;
  if (waiting(host)[0]) withUi(view, (loaded) => loaded.flush());
  for (const survey of surveys) guard(() => wait(view, survey));
};

/** The page is ready: the first page view begins as soon as the browser has time for it. */
export const open = (view: View): void => {
  view.ready = true;
  const idle = own<typeof requestIdleCallback>("requestIdleCallback") || setTimeout;
  idle(() => view.stops[0] || guard(() => begin(view))); // unless something else began already
};

/** Another page, or the same one again from the browser's memory. */
export const arrive = (view: View): void => {
  const { onPage } = view;
  view.named.clear();
  onPage?.arrive(reason(view, onPage.survey));
  if (!view.pending?.manual) giveUp(view);
  begin(view);
};
