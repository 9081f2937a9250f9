/** What draws: one element in a shadow root, an adopted style sheet, DOM calls only. */
import { isPrivate, openOutbox } from "./api";
import { busy, listen, onChange, unreachable } from "./attention";
import { followUp, groupOf, thanksFor } from "./flow";
import { h, pause, put } from "./dom";
import { guard } from "./guard";
import { languageFor } from "./language";
import css from "./style.css";
import type { Reason } from "./rules";
import { newSecret } from "./secret";
import { json } from "./storage";
import type { Events, ShownDetail } from "./tevreden";
import { takeTurn } from "./turns";
import type { Event, Host, Memory, Showing, Shown, Survey, Ui } from "./types";

/** Milliseconds that a thank-you without a link stays; until what appeared is said, and until a lost turn is tried for again. */
const FAREWELL = 8_000;
const SOON = 200;
const LONGEST_COMMENT = 5_000;
const LONGEST_PAGE = 2_000;
/** Characters of who the page says it is; the collector takes no more. */
const LONGEST_CLAIM = 500;
const GROUPS = ["negative", "neutral", "positive"] as const;

/**
 * A face whose mouth goes from sad (-9) to glad (11), and is never 0. Drawn by the style sheet, because the first SVG of a page takes
 * 31 KB of its heap; in whole numbers, because V8 keeps 48 KB for those that are not.
 */
const face = (mood: number) => {
  const drawn = h<HTMLElement>("i");
  drawn.style.setProperty("--mood", mood + "");
  return drawn;
};

/** A UUIDv7: its time is this clock's, its order and uniqueness are what counts. */
const newId = () => {
  const random = [...crypto.getRandomValues(new Uint8Array(18))].map((byte) => (byte & 15).toString(16));
  return (Date.now().toString(16).padStart(12, "0") + random.join("")).replace(
    /(.{8})(.{4})(.{3})(.{3})/,
    "$1-$2-7$3-8$4-",
  );
};

const seconds = () => Math.floor(Date.now() / 1000);

export const create = async (host: Host): Promise<Ui> => {
  await pause(); // what is compiled now and what is drawn then are a task each
  const outbox = openOutbox(host);

  const show = (survey: Survey, { language, mount, still, closed }: Showing): Shown => {
    const { key_: key, revision_: revision, points, first = 1, position = "slide-in-right" } = survey;
    const spoken = languageFor(Object.keys(survey.texts), language);
    const texts = survey.texts[spoken]!;
    const callout = !mount && texts.callout;

    const impression = newId();
    const id = newId();
    const secret = newSecret();
    let state = 0;
    let score: number | undefined;
    let complete = false;
    let dismissed = false;
    let pointed = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    /** Something had the visitor when it was due. */
    let waited = false;
    /** No other tab is to show it, or that is being found out. */
    let turn = still ? 0 : 2;
    const life = new AbortController();
    /** Off the page for good. */
    let over = false;

    const send = (event: Partial<Event>) =>
      outbox.send({
        survey: key,
        revision,
        secret,
        page: location.href.slice(0, LONGEST_PAGE),
        language: spoken,
        identity: isPrivate() || json(host.identity || 0).length > LONGEST_CLAIM ? undefined : host.identity,
        ...(navigator.webdriver && { automated: true }),
        ...(navigator.maxTouchPoints > 1 && { touch: true }),
        ...event,
      } as Event);
    const tell = <Name extends keyof Events>(
      name: Name,
      detail = {} as Omit<Events[Name], keyof ShownDetail>,
    ) =>
      guard(() =>
        root.dispatchEvent(
          new CustomEvent("tevreden:" + name, {
            bubbles: true,
            detail: { survey: key, revision, ...detail },
          }),
        ),
      );
    const note = (memory: Memory) => host.allowed && host.remember(host, key, memory);
    const answer = (extra: Partial<Event> = {}) => {
      complete ||= !!extra.complete;
      send({ type: "response", id, impression, state: ++state, score: score!, ...extra });
      note({ answered: seconds() });
      const { comment } = extra;
      tell("answered", {
        score: score!,
        group: GROUPS[groupOf(survey, score!)],
        complete,
        ...(comment && { comment }),
      });
    };

    const close = h("button", { class: "close", "aria-label": texts.close_, onclick: () => dismiss() }, "×");
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
        h("span", {}, texts.labels ? face(~~((20 * index) / (points - 1)) - 9) : first + index + ""),
      ),
    );
    const ends = texts.ends || [texts.labels?.[0], texts.labels?.[points - 1]];
    const ask = h("div", { "aria-live": "polite" });
    const more = h("div");
    /** Made when it is asked for the first time. */
    let comment: HTMLTextAreaElement | undefined;
    const email = h<HTMLInputElement>("input", {
      id: "email",
      type: "email",
      autocomplete: "email",
      maxlength: 254,
      "aria-describedby": "consent hint",
    });
    const hint = h("p", { id: "hint", role: "alert" });
    const form = h<HTMLFormElement>(
      "form",
      { novalidate: "", onsubmit: (event: SubmitEvent) => (event.preventDefault(), submit()) },
      h("h2", { id: "question" }, texts.question_),
      h(
        "div",
        {
          role: "radiogroup",
          "aria-labelledby": "question",
          "aria-describedby": "ends",
          class: `scale n${points}`,
          onpointerdown: () => (pointed = true),
        },
        ...radios,
      ),
      h("p", { id: "ends" }, ...ends.map((end) => h("span", {}, end))),
      ask,
      more,
    );
    const said = h("div", { role: "status", class: "thanks" });
    const dialog = h<HTMLElement>(
      "section",
      { role: "dialog", "aria-label": texts.question_, tabindex: -1, class: "card" },
      !mount && close,
      form,
      said,
    );
    const tab = h<HTMLButtonElement>("button", { class: "tab", onclick: () => open() }, callout);
    const root = h<HTMLElement>("tevreden-survey", {
      "data-survey": key,
      "data-position": mount ? "inline" : position,
      lang: spoken,
      dir: texts.rtl ? "rtl" : "ltr",
      popover: mount ? undefined : "manual", // above everything, whatever the page does to its body
    });
    const shadow = root.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
    const style = (name: string, value: string | number) =>
      root.style.setProperty("--" + name, value + "", "important");
    style("color", survey.color_);
    style("ink", survey.ink || "#fff");
    style("scheme", survey.scheme || "light dark");
    const news = h("div", { role: "status", class: "news" });
    shadow.append(news, callout ? tab : dialog);
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
      life.abort();
      root.remove();
      closed();
    };
    const dismiss = () => {
      if (!root.dataset.state) return destroy(); // nobody has seen it yet
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
      const question = followUp(survey, texts, score);
      const asked = survey.email_ && !host.identity;
      if (!question && !asked && pointed) return thank();
      put(ask, question && h("label", { for: "comment" }, question));
      put(
        more,
        question && (comment ||= h("textarea", { id: "comment", maxlength: LONGEST_COMMENT })),
        asked && h("label", { for: "email" }, texts.email_),
        asked && email,
        asked && texts.consent_ && h("p", { id: "consent" }, texts.consent_),
        hint,
        h("button", {}, texts.send_),
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
      const typed = comment?.isConnected && comment.value.trim();
      answer({ complete: true, ...(typed && { comment: typed }), ...(address && { email: address }) });
      thank();
    };
    const thank = () => {
      if (over) return; // someone who heard the answer took it off
      if (!complete) answer({ complete: true });
      const { heading, body_: body, image, link, link_text } = thanksFor(survey, texts, score!);
      const inside = focused();
      root.dataset.state = "thanks";
      form.remove();
      dialog.setAttribute("aria-label", heading || body || texts.question_);
      put(
        said,
        image !== "" && h(image ? "img" : "i", { src: image, alt: "" }),
        heading && h("h2", {}, heading),
        body && h("p", {}, body),
        link && h("a", { href: link, target: "_blank", rel: "noreferrer" }, link_text),
      );
      if (inside) dialog.focus();
      if (!link && !mount) timer = setTimeout(leave, FAREWELL);
    };
    /** Not from under someone's pointer or focus. */
    const leave = () => {
      if (focused() || root.matches(":hover")) timer = setTimeout(leave, FAREWELL);
      else destroy();
    };

    /** What is typed here is not for the page's own shortcuts, which may listen anywhere below the window. */
    const typed = (event: globalThis.Event) => {
      if (!event.composedPath().includes(root)) return;
      event.stopImmediatePropagation();
      pointed = false; // arrow keys only pass by a score
      const { key, isComposing } = event as KeyboardEvent;
      if (key == "Escape" && !isComposing && !mount && root.dataset.state != "closed") dismiss();
    };
    /** Above the keyboard of a phone, in what is left of the window, at the size that the page was made for. */
    const fit = () => {
      const { scale, height, offsetTop } = visualViewport!;
      const zoomed = scale != 1;
      style("up", (zoomed ? 0 : innerHeight - height - offsetTop) + "px");
      style("high", (zoomed ? innerHeight : height) + "px");
      const { currentCSSZoom } = document.body as { currentCSSZoom?: number };
      style("zoom", mount ? 1 : 1 / (currentCSSZoom || +getComputedStyle(document.body).zoom));
    };
    /** Each thing that takes a while has a task of its own, so that none is long on a slow phone. */
    const appear = async () => {
      note({ shown: seconds() }); // at once, so that no other tab that has its turn now may
      host.claim(host, 0);
      fit(); // reads the page's layout, while that is still good
      root.dataset.state = callout ? "closed" : "open";
      (mount || document.body).append(root);
      if (!mount) root.showPopover?.(); // before anything has a layout: WebKit would keep the one it had
      listen(window, ["keydown", "keyup", "keypress"], typed, life.signal);
      listen(visualViewport!, ["resize", "scroll"], fit, life.signal);
      await pause();
      if (over) return;
      send({ type: "impression", id: impression });
      tell("shown");
      await pause(SOON);
      news.textContent = callout || texts.question_;
    };
    /** Show it once the visitor is free, in one tab alone, and from then on only where it can be reached. */
    const attend = () =>
      guard(() => {
        const reason = mount ? 0 : busy(waited);
        if (over) return;
        if (root.dataset.state) root.toggleAttribute("hidden", unreachable(root));
        else if (still && !still()) destroy();
        else if (reason && (still || reason < 2)) waited = true;
        else if (turn > 1) appear().catch(destroy);
        else if (!turn) {
          turn = 1;
          takeTurn(host).then((won) => {
            turn = won;
            if (won) attend();
            else setTimeout(attend, SOON); // whoever won may be in the background: then another may
          });
        }
      });
    onChange(attend, life.signal);
    pause().then(attend); // when the loader knows of it
    const arrive = (reason: Reason) => {
      const gone = still && !state && ["page", "excluded", "answered"].includes(reason);
      // what the page asked for may still wait, without a state
      if (gone || (!root.isConnected && (still || root.dataset.state))) destroy();
    };
    return { survey, root, arrive, dismiss, destroy };
  };

  return { show, flush: outbox.flush, age: outbox.age };
};
