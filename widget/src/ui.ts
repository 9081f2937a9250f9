/** What draws: one element in a shadow root, an adopted style sheet, DOM calls only. */
import { isPrivate, openOutbox } from "./api";
import { followUp, groupOf, thanksFor } from "./flow";
import css from "./style.css";
import { json } from "./storage";
import type { Event, Host, Memory, Showing, Shown, Survey, Ui } from "./types";

/** Milliseconds that a thank-you without a link stays. */
const FAREWELL = 8_000;
const LONGEST_COMMENT = 5_000;
const LONGEST_PAGE = 2_000;
/** Characters of who the page says it is; the collector takes no more. */
const LONGEST_CLAIM = 500;
const GROUPS = ["negative", "neutral", "positive"];

type Child = Node | string | false | undefined;

/** An element; `on…` are listeners, all else attributes, and what is undefined or false is left out. */
const h = <T extends Element>(
  name: string,
  attributes: Record<string, unknown> = {},
  ...children: Child[]
): T => {
  const svg = /^(svg|path|circle)$/.test(name);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (typeof value == "function") element.addEventListener(key.slice(2), value as EventListener);
    else if (value !== undefined && value !== false) element.setAttribute(key, value + "");
  element.append(...children.filter((child): child is Node | string => !!child));
  return element as unknown as T;
};

const picture = (...shapes: Child[]) => h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, ...shapes);

/** A face whose mouth goes from sad (0) to glad (1). */
const face = (mood: number) =>
  picture(
    h("circle", { cx: 12, cy: 12, r: 10 }),
    h("path", {
      d: `M8.5 9v.5M15.5 9v.5M7.5 ${17 - 2.5 * mood}Q12 ${12.5 + 7 * mood} 16.5 ${17 - 2.5 * mood}`,
    }),
  );

/** A UUIDv7: its time is this clock's, its order and uniqueness are what counts. */
const newId = () => {
  const time = Date.now().toString(16).padStart(12, "0").slice(-12);
  const bytes = [...crypto.getRandomValues(new Uint8Array(9))]; // pages replace Array.from
  const random = bytes.map((byte) => (byte + 256).toString(16).slice(1)).join("");
  return [
    time.slice(0, 8),
    time.slice(8),
    "7" + random.slice(0, 3),
    "8" + random.slice(3, 6),
    random.slice(6).padEnd(12, "0"),
  ].join("-");
};

const seconds = () => Math.floor(Date.now() / 1000);

/** The first language wished for that the survey speaks: the tag's, the page's, the browser's, else the survey's. */
const languageOf = ({ texts, language }: Survey, preferred: string | undefined) => {
  for (const wish of [preferred, document.documentElement.lang, ...navigator.languages])
    for (const name of [wish, wish?.split("-")[0]].map((name) => (name || "").toLowerCase()))
      if (texts[name]?.question) return name;
  return language;
};

export const create = (host: Host): Ui => {
  const outbox = openOutbox(host);

  const show = (survey: Survey, { language, mount, closed }: Showing): Shown => {
    const { key, revision, points, first = 1, faces, position } = survey;
    const spoken = languageOf(survey, language);
    const texts = survey.texts[spoken]!;
    const callout = !mount && texts.callout;

    const impression = newId();
    const id = newId();
    let state = 0;
    let score: number | undefined;
    let complete = false;
    let dismissed = false;
    let pointed = false;
    let timer = 0;
    /** Off the page for good. */
    let over = false;

    const send = (event: Partial<Event>) =>
      outbox.send({
        survey: key,
        revision,
        page: location.href.slice(0, LONGEST_PAGE),
        language: spoken,
        identity: isPrivate() || json(host.identity || 0).length > LONGEST_CLAIM ? undefined : host.identity,
        ...(navigator.webdriver && { automated: true }),
        ...(navigator.maxTouchPoints > 1 && { touch: true }),
        ...event,
      } as Event);
    const tell = (name: string, detail: object = {}) =>
      root.dispatchEvent(
        new CustomEvent("tevreden:" + name, { bubbles: true, detail: { survey: key, revision, ...detail } }),
      );
    const note = (memory: Memory) => host.allowed && host.remember(host, key, memory);
    const answer = (extra: Partial<Event> = {}) => {
      complete ||= !!extra.complete;
      send({ type: "response", id, impression, state: ++state, score: score!, ...extra });
      note({ answered: seconds() });
      const { comment } = extra;
      tell("answered", {
        score,
        group: GROUPS[groupOf(survey, score!)],
        complete,
        ...(comment && { comment }),
      });
    };

    const close = h<HTMLButtonElement>(
      "button",
      { class: "close", type: "button", "aria-label": texts.close, onclick: () => dismiss() },
      picture(h("path", { d: "M6 6l12 12M18 6L6 18" })),
    );
    const radios = [...Array(points).keys()].map((index) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name: "score",
          value: first + index,
          "aria-label": texts.labels?.[index] || first + index,
          onchange: () => choose(first + index),
        }),
        h("span", {}, faces ? face(index / (points - 1)) : first + index + ""),
      ),
    );
    const ends = texts.ends || [texts.labels?.[0], texts.labels?.[points - 1]];
    const ask = h("div", { class: "more", "aria-live": "polite" });
    const more = h("div", { class: "more" });
    const comment = h<HTMLTextAreaElement>("textarea", {
      id: "comment",
      rows: 3,
      maxlength: LONGEST_COMMENT,
    });
    const email = h<HTMLInputElement>("input", {
      id: "email",
      type: "email",
      autocomplete: "email",
      maxlength: 254,
      "aria-describedby": "consent hint",
    });
    const hint = h("p", { id: "hint", class: "hint", role: "alert" });
    const form = h<HTMLFormElement>(
      "form",
      { novalidate: "", onsubmit: (event: SubmitEvent) => (event.preventDefault(), submit()) },
      h("h2", { id: "question" }, texts.question),
      h(
        "div",
        {
          role: "radiogroup",
          "aria-labelledby": "question",
          "aria-describedby": "ends",
          class: `scale n${points}`,
          onpointerdown: () => (pointed = true),
          onkeydown: () => (pointed = false),
        },
        ...radios,
      ),
      h("p", { id: "ends", class: "ends" }, ...ends.map((end) => h("span", {}, end))),
      ask,
      more,
    );
    const said = h("div", { role: "status", class: "thanks" });
    const dialog = h<HTMLElement>(
      "section",
      { role: "dialog", "aria-labelledby": "question", tabindex: -1, class: "card" },
      !mount && close,
      form,
      said,
    );
    const tab = h<HTMLButtonElement>(
      "button",
      { class: "tab", type: "button", onclick: () => open() },
      callout,
    );
    const root = h<HTMLElement>("tevreden-survey", {
      "data-survey": key,
      "data-position": mount ? "inline" : position,
      "data-state": callout ? "closed" : "open",
      lang: spoken,
      dir: texts.rtl ? "rtl" : "ltr",
    });
    const shadow = root.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
    root.style.setProperty("--color", survey.color);
    root.style.setProperty("--ink", survey.ink);
    if (survey.scheme) root.style.setProperty("--scheme", survey.scheme);
    shadow.append(callout ? tab : dialog);
    const focused = () => shadow.activeElement;

    /** A call-out opens because someone pressed it, so the focus goes along. */
    const open = () => {
      root.dataset.state = "open";
      tab.replaceWith(dialog);
      dialog.focus();
    };
    const destroy = () => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      root.remove();
      closed();
    };
    const dismiss = () => {
      if (!state && !dismissed) {
        dismissed = true;
        send({ type: "dismissal", id: impression });
        tell("dismissed");
      }
      if (!callout || state) return destroy();
      const inside = focused();
      tab.textContent = texts.reopen || callout;
      root.dataset.state = "closed";
      dialog.replaceWith(tab);
      if (inside) tab.focus();
    };
    /** The follow-up to a score; the group's question changes when the score does, what was typed stays. */
    const choose = (chosen: number) => {
      score = chosen;
      answer();
      const next = followUp(survey, texts, score, !!host.identity);
      if (!next.question && !next.email && pointed) return thank();
      ask.replaceChildren(...(next.question ? [h("label", { for: "comment" }, next.question)] : []));
      more.replaceChildren(
        ...[
          next.question && comment,
          next.email && h("label", { for: "email" }, texts.email),
          next.email && email,
          next.email && texts.consent && h("p", { id: "consent", class: "hint" }, texts.consent),
          hint,
          h("button", { class: "send" }, texts.send),
        ].filter((child): child is Element => !!child),
      );
    };
    const submit = () => {
      if (!state) return;
      const address = email.isConnected && email.value.trim();
      if (address && !(email.checkValidity() && /@.+\../.test(address))) {
        email.setAttribute("aria-invalid", "true");
        hint.textContent = texts.invalid!;
        return email.focus();
      }
      const typed = comment.isConnected && comment.value.trim();
      answer({ complete: true, ...(typed && { comment: typed }), ...(address && { email: address }) });
      thank();
    };
    const thank = () => {
      if (!complete) answer({ complete: true });
      if (over) return; // someone who heard the answer took it off
      const { heading, body, plain, link, link_text } = thanksFor(survey, texts, score!);
      const inside = focused();
      root.dataset.state = "thanks";
      form.remove();
      dialog.removeAttribute("aria-labelledby");
      dialog.setAttribute("aria-label", heading || body || texts.question);
      said.replaceChildren(
        ...[
          !plain && picture(h("path", { d: "M6 12.5l4 4 8-9" })),
          heading && h("h2", {}, heading),
          body && h("p", {}, body),
          link && h("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link_text),
        ].filter((child): child is Element => !!child),
      );
      if (inside) dialog.focus();
      if (!link && !mount) timer = window.setTimeout(leave, FAREWELL);
    };
    /** Not from under someone's pointer or focus. */
    const leave = () => {
      if (focused() || root.matches(":hover")) timer = window.setTimeout(leave, FAREWELL);
      else destroy();
    };

    shadow.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the page's own shortcuts are not for what is typed here
      if ((event as KeyboardEvent).key == "Escape" && !mount && root.dataset.state != "closed") dismiss();
    });
    (mount || document.body).append(root);
    note({ shown: seconds() });
    send({ type: "impression", id: impression });
    queueMicrotask(() => root.isConnected && tell("shown")); // when the loader knows of it
    return { root, answered: () => !!state, dismiss, destroy };
  };

  return { show, flush: outbox.flush, age: outbox.age };
};
