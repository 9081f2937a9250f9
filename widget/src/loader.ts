/** Reads the tag, queues calls, follows navigation, loads what draws when a survey is about to show. */
import { decide } from "./rules";
import { isEmpty, recall, waiting, type Place } from "./storage";
import { MARK, watch } from "./triggers";
import type { Config, Host, Identity, Shown, Survey, Ui } from "./types";

type Call = [name: string, ...args: unknown[]];

/** Whatever goes wrong in a call stays out of the host page. */
export const guard = (call: () => void) => {
  try {
    call();
  } catch {
    // the page goes on without us
  }
};

/** Begin on this page, for the surveys of a site. */
export const start = (tag: HTMLScriptElement, config: Config) => {
  const global = window as unknown as { tevreden: unknown };
  const queue = global.tevreden || [];
  if (!Array.isArray(queue)) return; // the tag is there twice

  const { dataset, src } = tag;
  const place: Place = { name: "tv_" + config.site, held: new Map() };
  const surveys = config.surveys.sort((a, b) => (b.priority || 0) - (a.priority || 0));
  /** Events that happened on this page view. */
  const named = new Set<string>();
  let allowed = dataset.consent != "required";
  let identity: Identity | undefined;
  let shown: Shown | undefined;
  let showing: Survey | undefined;
  /** One survey a page view; one that is being loaded counts. */
  let taken = false;
  let stops: (() => void)[] = [];
  /** Of this page view; none until it has begun. */
  let address = "";
  let ui: Promise<Ui> | undefined;

  const url = (relative: string) => new URL(relative, src).href;
  const seconds = () => Math.floor(Date.now() / 1000);
  const reason = (survey: Survey) =>
    decide(survey, new URL(location.href), innerWidth, recall(place, survey.key), seconds());

  const language = ({ texts, language }: Survey) => {
    for (const wish of [dataset.lang, document.documentElement.lang, ...navigator.languages])
      for (const name of [wish, wish?.split("-")[0]]) if (name && texts[name]) return name;
    return language;
  };
  const withUi = (use: (ui: Ui) => void) => {
    const host: Host = {
      events: url(config.events),
      place,
      identity: () => identity,
      allowed: () => allowed,
    };
    ui ||= import(url(config.ui)).then((file) => file.create(host));
    ui.then(use).catch(() => (ui = undefined)); // the collector is away: the page goes on without it
  };
  const show = (survey: Survey, still: () => boolean, mount?: Element) => {
    taken = true;
    withUi((loaded) => {
      taken = !!shown;
      if (!allowed || !still()) return;
      shown?.destroy();
      shown = loaded.show(survey, {
        language: language(survey),
        mount,
        closed: () => (shown = showing = undefined),
      });
      taken = !!shown;
      showing = shown && survey;
    });
  };

  const stop = () => {
    for (const call of stops) call();
    stops = [];
  };
  /** A page view begins: wait for every survey that may show here. */
  const begin = () => {
    stop();
    taken = !!shown;
    if (!allowed || !address) return;
    for (const survey of surveys) {
      let current = true;
      const may = () => current && reason(survey) == "show";
      const due = () =>
        guard(() => {
          if (taken || !may()) return;
          if (document.hidden) document.addEventListener("visibilitychange", due, { once: true });
          else show(survey, may);
        });
      if (may()) guard(() => stops.push(() => (current = false), watch(survey, named, due)));
    }
  };
  const navigated = () =>
    guard(() => {
      if (address == location.href) return;
      address = location.href;
      named.clear();
      if (showing && !shown?.answered() && /^page/.test(reason(showing))) shown?.destroy();
      begin();
    });
  const reset = () => {
    identity = undefined;
    shown?.destroy();
    if (!isEmpty(place)) withUi((loaded) => loaded.forget());
  };

  const api: Record<string, (...args: never[]) => unknown> = {
    push: (call: Call) => guard(() => api[call[0]]?.(...(call.slice(1) as never[]))),
    event(name: string) {
      named.add(name);
      document.dispatchEvent(new Event(MARK));
    },
    show(key: string, { mount }: { mount?: Element } = {}) {
      const survey = surveys.find((one) => one.key == key);
      if (survey && allowed) show(survey, () => true, mount);
    },
    dismiss: () => shown?.dismiss(),
    identify({ email }: Identity, signature?: string) {
      identity = { email, ...(signature && { signature }) };
    },
    consent(given: boolean) {
      if (allowed == given) return;
      allowed = given;
      if (!given) reset();
      begin();
    },
    reset,
    on: (name: string, handler: (detail: unknown) => void) =>
      document.addEventListener("tevreden:" + name, (event) => handler((event as CustomEvent).detail)),
    explain: () => surveys.map((survey) => ({ survey: survey.key, reason: reason(survey) })),
  };

  const open = () => {
    global.tevreden = api;
    for (const call of queue) api.push?.(call as never);
    if (allowed && waiting(place).length) withUi((loaded) => loaded.flush());
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
      addEventListener("hashchange", navigated);
    }
    address = location.href;
    begin();
  };
  const ready = () =>
    document.readyState == "loading"
      ? document.addEventListener("DOMContentLoaded", () => guard(open))
      : open();
  if ((document as { prerendering?: boolean }).prerendering)
    document.addEventListener("prerenderingchange", () => guard(ready), { once: true });
  else ready();
};
