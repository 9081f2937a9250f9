/** One survey at a time: what is on its way to the page, and what is on it. */
import { guard } from "./guard";
import { claim } from "./storage";
import type { Host, Survey, Ui, View } from "./types";

/** With the file that draws, once it is there. */
export const withUi = (view: View, use: (ui: Ui) => void): void => {
  const { host } = view;
  view.ui ||= view
    .files("ui")
    .then((loaded) => (loaded as { create: (host: Host) => Promise<Ui> }).create(host));
  view.ui.then(
    (loaded) => guard(() => use(loaded)),
    () => {
      view.ui = undefined;
      giveUp(view); // the collector is away: the page goes on without it
    },
  );
};

/** Give up what is on its way. */
export const giveUp = (view: View): void => {
  view.pending = undefined;
  view.taken = view.onPage?.survey;
};

/** Without `still` the page asks for it, whatever its rules say. */
export const show = (view: View, survey: Survey, still?: () => boolean, mount?: Element): void => {
  const mine = (view.pending = { manual: !still });
  view.taken = survey;
  if (still) claim(view.host);
  withUi(view, (loaded) => {
    if (view.pending != mine) return;
    view.pending = undefined;
    view.onPage?.destroy();
    view.onPage = loaded.show(survey, {
      preferred: view.preferred,
      mount,
      still,
      closed: () => (view.onPage = undefined),
    });
  });
};
