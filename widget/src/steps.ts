/** The way through a survey: a score, a comment, an e-mail address, thanks; one thing is asked at a time. */
import { drawForm } from "./card";
import { h, put } from "./dom";
import { followUp, thanksFor } from "./flow";
import type { Record } from "./record";
import type { Event, Host, Survey, Texts } from "./types";

/** Milliseconds that a thank-you without a link stays. */
const FAREWELL = 8_000;
/** Milliseconds after a step in which no press counts: it was meant for what was there before. */
const REST = 500;
/** Milliseconds in which the card grows or shrinks to the next step. */
const GROWTH = 250;
const LONGEST_COMMENT = 5_000;

/**
 * @param close the button that closes, if there is one
 * @param end takes it all off the page
 * @returns the card, and what makes it take no press for a while
 */
export const openSteps = (
  host: Host,
  survey: Survey,
  texts: Texts,
  record: Record,
  root: HTMLElement,
  close: Element | false,
  end: () => void,
): [card: HTMLElement, rest: () => void] => {
  const shadow = root.shadowRoot!;
  let score: number;
  const ask = h("div", { "aria-live": "polite" });
  const more = h("div", { class: "more" });
  const said = h("div", { role: "status", class: "thanks" });
  const send = h<HTMLButtonElement>("button", {}, texts.send_);
  /** Made when it is asked for the first time. */
  let comment: HTMLTextAreaElement | undefined;
  let resting: ReturnType<typeof setTimeout>;

  const rest = (pause = true) => {
    send.disabled = pause;
    dialog.className = pause ? "card wait" : "card";
    clearTimeout(resting);
    if (pause) resting = setTimeout(rest, REST, false);
  };
  /** Draw another step, or more of this one. */
  const turn = (draw: () => void) => {
    if (!form.isConnected) return; // someone who heard the answer took it off
    const before = dialog.offsetHeight;
    draw();
    if (matchMedia("(prefers-reduced-motion:no-preference)").matches)
      dialog.animate(
        { height: [before + "px", dialog.offsetHeight + "px"], overflow: ["clip", "clip"] },
        GROWTH,
      );
    rest();
  };

  /** The follow-up to a score; the group's question changes when the score does, what was typed stays. */
  const choose = (chosen: number) => {
    score = chosen;
    record.answer(score);
    const question = followUp(survey, texts, score);
    // arrow keys only pass by a score
    if (!question && !shadow.querySelector(":focus-visible")) return submit();
    turn(() => {
      put(ask, question && h("label", { for: "comment" }, question));
      put(more, question && (comment ||= h("textarea", { id: "comment", maxlength: LONGEST_COMMENT })), send);
    });
  };
  /** What Send does: first with a score and its comment, then with an e-mail address. */
  let submit = () => {
    if (!record.answered()) return;
    const typed = comment?.isConnected && comment.value.trim();
    const said = typed ? { comment: typed } : {};
    if (!survey.email_ || host.identity) return finish(said);
    if (typed) record.answer(score, said);
    turn(() => askEmail((email) => finish({ ...said, ...(email && { email }) })));
  };
  const askEmail = (done: (address: string) => void) => {
    const inside = shadow.activeElement;
    const email = h<HTMLInputElement>("input", {
      id: "email",
      type: "email",
      autocomplete: "email",
      maxlength: 254,
      "aria-describedby": "consent hint",
    });
    const hint = h("p", { id: "hint", role: "alert" });
    submit = () => {
      const address = email.value.trim();
      if (!address || (email.checkValidity() && /@.+\../.test(address))) return done(address);
      email.ariaInvalid = "true";
      hint.textContent = texts.invalid!;
      email.focus();
    };
    put(
      form,
      h("label", { for: "email" }, texts.email_),
      email,
      hint,
      texts.consent_ && h("p", { id: "consent" }, texts.consent_),
      send,
    );
    dialog.ariaLabel = texts.email_!;
    if (inside) email.focus();
  };
  const finish = (extra: Partial<Event>) => {
    record.answer(score, { complete: true, ...extra });
    turn(thank);
  };
  const thank = () => {
    const { heading, body_: body, image, link, link_text } = thanksFor(survey, texts, score);
    const inside = shadow.activeElement;
    root.dataset.state = "thanks";
    form.remove();
    dialog.ariaLabel = heading || body || texts.question_;
    put(
      said,
      image !== "" && h(image ? "img" : "i", { src: image, alt: "" }),
      heading && h("h2", {}, heading),
      body && h("p", {}, body),
      link && h("a", { href: link, target: "_blank", rel: "noreferrer" }, link_text),
    );
    if (inside) dialog.focus();
    if (!link && close) setTimeout(leave, FAREWELL);
  };
  /** Not from under someone's pointer or focus. */
  const leave = () => {
    if (shadow.activeElement || root.matches(":hover")) setTimeout(leave, FAREWELL);
    else end();
  };

  const form = drawForm(survey, texts, choose, () => submit(), ask, more);
  const logo =
    close &&
    survey.logo &&
    h("img", {
      class: "logo",
      src: new URL(survey.logo, host.url),
      alt: "",
      onerror: ({ target }: UIEvent) => (target as Element).remove(), // the page's policy lets in no picture from here
    });
  const dialog = h<HTMLElement>(
    "section",
    { role: "dialog", "aria-label": texts.question_, tabindex: -1, class: "card" },
    close,
    logo,
    form,
    said,
  );
  return [dialog, rest];
};
