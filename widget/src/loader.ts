/** Reads the tag, queues calls, follows navigation, loads what draws when a survey is about to show. */
import { guard } from "./guard";
import { decide } from "./rules";
import { erase, forget, recall, remember, visitor, waiting } from "./storage";
import { MARK, watch } from "./triggers";
import type { Config, Host, Identity, Shown, Survey, Ui } from "./types";

type Call = [name: string, ...args: unknown[]];

/** Begin on this page, for the surveys of a site. */
export const start = (tag: HTMLScriptElement, config: Config) => {
  const global = window as unknown as { tevreden?: Call[] & { taken?: boolean } };
  if (!global.tevreden?.push) global.tevreden = []; // nothing yet, or an element with this id
  const queue = global.tevreden;
  if (!Array.isArray(queue) || queue.taken) return; // the tag is there twice
  queue.taken = true;

  const { dataset, src } = tag;
  const { surveys } = config;
  /** Events that happened on this page view. */
  const named = new Set<string>();
  let shown: Shown | undefined;
  /** What is shown because its targeting says so. */
  let targeted: Survey | undefined;
  /** One survey a page view. */
  let taken = false;
  /** What is on its way to being shown. */
  let pending: { manual: boolean } | undefined;
  let stops: (() => void)[] = [];
  /** Of this page view; none until it has begun. */
  let address = "";
  let ui: Promise<Ui> | undefined;

  const url = (relative: string) => new URL(relative, src).href;
  const host: Host = {
    name: "tv_" + config.site,
    held: new Map(),
    era: 0,
    url: url(config.events),
    allowed: dataset.consent != "required",
    visitor,
    remember,
  };
  const reason = (survey: Survey) =>
    decide(
      survey,
      new URL(location.href),
      innerWidth,
      recall(host, survey.key),
      Math.floor(Date.now() / 1000),
    );

  const withUi = (use: (ui: Ui) => void) => {
    ui ||= import(url(config.ui)).then((file) => file.create(host));
    ui.then(
      (loaded) => guard(() => use(loaded)),
      () => {
        ui = pending = undefined; // the collector is away: the page goes on without it
        taken = !!shown;
      },
    );
  };
  const show = (survey: Survey, manual: boolean, still: () => boolean, mount?: Element) => {
    const mine = (pending = { manual });
    taken = true;
    withUi((loaded) => {
      if (pending != mine) return;
      pending = undefined;
      taken = !!shown;
      if (!host.allowed || !still()) return;
      shown?.destroy();
      taken = true;
      targeted = manual ? undefined : survey;
      shown = loaded.show(survey, {
        language: dataset.lang,
        mount,
        closed: () => (shown = targeted = undefined),
      });
    });
  };

  /** A page view begins: wait for every survey that may show here. */
  const begin = () => {
    for (const call of stops) call();
    stops = [];
    if (!host.allowed || !address) return;
    if (waiting(host).length) withUi((loaded) => loaded.flush());
    for (const survey of surveys) {
      let current = true;
      const may = () => current && reason(survey) == "show";
      const due = () =>
        guard(() => {
          if (taken || !may()) return;
          if (document.hidden) return document.addEventListener("visibilitychange", due, { once: true });
          if (survey.sample && recall(host, survey.key).draw === undefined)
            remember(host, survey.key, { draw: Math.floor(Math.random() * 100) });
          if (may()) show(survey, false, may);
        });
      if (may()) guard(() => stops.push(() => (current = false), watch(survey, named, due)));
    }
  };
  const navigated = () =>
    guard(() => {
      if (address == location.href) return;
      address = location.href;
      named.clear();
      if (shown && !shown.root.isConnected) shown.destroy();
      if (targeted && !shown?.answered() && ["page", "excluded"].includes(reason(targeted))) shown?.destroy();
      if (!pending?.manual) pending = undefined;
      taken = !!(shown || pending);
      begin();
    });
  const leave = () => {
    if (pending) taken = false;
    host.identity = pending = undefined;
    shown?.destroy();
  };

  const calls: Record<string, (...args: never[]) => unknown> = {
    push: ([name, ...args]: Call) => api[name]?.(...args),
    event(name: string) {
      named.add(name);
      document.dispatchEvent(new Event(MARK));
    },
    show(key: string, options?: { mount?: Element }) {
      const survey = surveys.find((one) => one.key == key);
      if (survey && host.allowed) show(survey, true, () => true, options?.mount);
    },
    dismiss: () => shown?.dismiss(),
    identify({ email }: Identity, signature?: string) {
      host.identity = email ? { email: email + "", signature: signature + "" } : undefined;
    },
    consent(given: boolean) {
      if (!given) {
        leave();
        erase(host);
      }
      if (host.allowed == given) return;
      host.allowed = given;
      begin();
    },
    reset() {
      leave();
      forget(host);
      if (waiting(host).length) withUi((loaded) => loaded.age());
    },
    on: (name: string, handler: (detail: unknown) => void) =>
      document.addEventListener("tevreden:" + name, (event) => handler((event as CustomEvent).detail)),
    explain: () => surveys.map((survey) => ({ survey: survey.key, reason: reason(survey) })),
  };
  const api: Record<string, (...args: unknown[]) => unknown> = {};
  for (const name in calls) api[name] = (...args) => guard(() => calls[name]!(...(args as never[])));

  const open = () => {
    global.tevreden = api as never;
    for (const call of queue) api.push!(call);
    const { navigation } = window as unknown as { navigation?: EventTarget };
    if (navigation) navigation.addEventListener("currententrychange", navigated);
    else {
      for (const name of ["pushState", "replaceState"] as const) {
        const original = history[name];
        history[name] = function (...args) {
          original.apply(this, args);
          navigated();
        };
      }
      addEventListener("popstate", navigated);
    }
    address = location.href;
    begin();
  };
  const ready = () => {
    const wait = (name: string) => document.addEventListener(name, () => guard(ready), { once: true });
    if ((document as { prerendering?: boolean }).prerendering) wait("prerenderingchange");
    else if (document.readyState == "loading") wait("DOMContentLoaded");
    else open();
  };
  ready();
};
