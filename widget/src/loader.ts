/** Reads the tag, queues calls, follows navigation, loads what draws when a survey is about to show. */
import { guard } from "./guard";
import { decide } from "./rules";
import { claim, erase, forget, recall, remember, visitor, waiting } from "./storage";
import { watch } from "./triggers";
import type { Config, Explain, Host, Identity, Survey, Ui, View } from "./types";

type Call = [name: string, ...args: unknown[]];

/** What the tag says, or whoever bundled this. */
export interface Tag {
  src: string;
  dataset: { consent?: string | undefined; lang?: string | undefined };
}

/** Whether this is the npm package, which brings its own further files and has no address to ask for. */
declare const __PACKAGED__: boolean;
/** In the names of the further files of this build. */
declare const __FURTHER__: string;

/** Further files, by name: `ui` draws, `explain` explains. */
export type Files = (name: string) => Promise<unknown>;

/** Begin on this page, for the surveys of a site. */
export const start = ({ dataset, src }: Tag, config: Config, files?: Files) => {
  const global = window as unknown as { tevreden?: Call[] & { taken?: boolean } };
  if (!global.tevreden?.push?.call) global.tevreden = []; // nothing yet, or an element with this id
  const queue = global.tevreden;
  if (!Array.isArray(queue) || queue.taken) return; // the tag is there twice
  queue.taken = true;

  const { surveys } = config;
  const url = (relative: string) => new URL((config.base || "") + relative, src).href;
  const file = __PACKAGED__ ? files! : files || ((name) => import(url(`${name}-${__FURTHER__}.js`)));
  const host: Host = {
    name: "tv_" + config.site_,
    held: {},
    era: 0,
    url: url(config.site_ + "/events"),
    allowed: dataset.consent != "required",
    visitor,
    remember,
    waiting,
    claim,
  };
  const view: View = {
    surveys,
    host,
    named: new Set(),
    hears: new Set(),
    watched: new Map(),
  };
  /** What is on its way to being shown. */
  let pending: { manual: boolean } | undefined;
  let stops: (() => void)[] = [];
  /** Of this page view; none until it has begun. */
  let address = "";
  let ui: Promise<Ui> | undefined;

  const reason = (survey: Survey) =>
    decide(survey, new URL(location.href), innerWidth, recall(host, survey.key_), Date.now() / 1000);

  const withUi = (use: (ui: Ui) => void) => {
    ui ||= file("ui").then((loaded) => (loaded as { create: (host: Host) => Promise<Ui> }).create(host));
    ui.then(
      (loaded) => guard(() => use(loaded)),
      () => {
        ui = pending = undefined; // the collector is away: the page goes on without it
        view.taken = view.shown?.survey;
      },
    );
  };
  /** Without `still` the page asks for it, whatever its rules say. */
  const show = (survey: Survey, still?: () => boolean, mount?: Element) => {
    const mine = (pending = { manual: !still });
    view.taken = survey;
    if (still) claim(host);
    withUi((loaded) => {
      if (pending != mine) return;
      pending = undefined;
      view.shown?.destroy();
      view.shown = loaded.show(survey, {
        language: dataset.lang,
        mount,
        still,
        closed: () => (view.shown = undefined),
      });
    });
  };

  view.show = show;

  /** A page view begins: wait for every survey that may show here. */
  const begin = () => {
    for (const call of stops) call();
    stops = [];
    view.watched.clear();
    if (!host.allowed || !address) return;
    if (waiting(host)[0]) withUi((loaded) => loaded.flush());
    for (const survey of surveys) {
      let current = true;
      const may = () => current && reason(survey) == "show";
      const due = () =>
        guard(() => {
          if (view.taken || !may()) return;
          if (document.hidden) return document.addEventListener("visibilitychange", due, { once: true });
          if (survey.sample && recall(host, survey.key_).draw === undefined)
            remember(host, survey.key_, { draw: (Math.random() * 100) | 0 });
          if (may()) show(survey, may);
        });
      if (may())
        guard(() => {
          const met = new Set<string>();
          view.watched.set(survey, met);
          stops.push(() => (current = false));
          watch(survey, view, met, due, stops);
        });
    }
  };
  /** Another address, or the same page again from the browser's memory. */
  const arrived = () => {
    const { shown } = view;
    address = location.href;
    view.named.clear();
    if (shown) {
      const { root, targeted, answered, survey } = shown;
      const gone = targeted && !answered() && "page excluded answered".includes(reason(survey));
      // what the page asked for may still wait, without a state
      if (gone || (!root.isConnected && (targeted || root.dataset.state))) shown.destroy();
    }
    if (!pending?.manual) {
      pending = undefined;
      view.taken = view.shown?.survey;
    }
    begin();
  };
  const navigated = () => guard(() => address == location.href || arrived());
  const leave = () => {
    for (const call of stops) call(); // whoever comes next is asked on the next page view
    view.taken = host.identity = pending = undefined;
    view.shown?.destroy();
  };

  const calls: Record<string, (...args: never[]) => unknown> = {
    push: ([name, ...args]: Call) => api[name]?.(...args),
    event(name: string) {
      view.named.add(name);
      for (const hear of view.hears) hear();
    },
    show(key: string, options?: { mount?: Element }) {
      const survey = surveys.find((one) => one.key_ == key);
      if (survey && host.allowed) show(survey, undefined, options?.mount);
    },
    dismiss: () => view.shown?.dismiss(),
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
      if (waiting(host)[0]) withUi((loaded) => loaded.age());
    },
    on: (name: string, handler: (detail: unknown) => void) =>
      document.addEventListener("tevreden:" + name, (event) => handler((event as CustomEvent).detail)),
    explain: (draw?: boolean) =>
      file("explain").then((loaded) => (loaded as { explain: Explain }).explain(view, draw)),
  };
  const api: Record<string, (...args: unknown[]) => unknown> = {};
  for (const name of Object.keys(calls))
    api[name] = (...args) => guard(() => calls[name]!(...(args as never[])));

  const open = () => {
    global.tevreden = api as never;
    for (const call of queue) api.push!(call);
    const { navigation, requestIdleCallback } = window as unknown as {
      navigation?: EventTarget;
      requestIdleCallback?: typeof window.requestIdleCallback;
    };
    if (navigation) navigation.addEventListener("currententrychange", navigated);
    else {
      for (const name of ["pushState", "replaceState"] as const)
        guard(() => {
          const original = history[name];
          history[name] = function (...args) {
            original.apply(this, args);
            navigated();
          };
        });
      addEventListener("popstate", navigated);
    }
    addEventListener("pageshow", (event) => event.persisted && guard(arrived));
    address = location.href;
    (requestIdleCallback || setTimeout)(() => stops[0] || guard(begin)); // unless something else began already
    // where the file is blocked, the page hears nothing of it: an error cannot be called, and the guard takes that too
    if (address.includes("tevreden=")) (api.explain!(true) as Promise<void>).catch(guard);
  };
  const ready = () => {
    const wait = (name: string) => document.addEventListener(name, () => guard(ready), { once: true });
    if ((document as { prerendering?: boolean }).prerendering) wait("prerenderingchange");
    else if (document.readyState == "loading") wait("DOMContentLoaded");
    else open();
  };
  ready();
};
