/** The way through a survey: a score, what is asked about it, thanks; and what is said of it. */
import { drawForm } from "./card";
import { h, put } from "./dom";
import { followUp, thanksFor } from "./flow";
import type { Record } from "./record";
import type { Host, Survey, Texts } from "./types";

/** Milliseconds that a thank-you without a link stays. */
const FAREWELL = 8_000;
const LONGEST_COMMENT = 5_000;

/**
 * @param close the button that closes, if there is one
 * @param end takes it all off the page
 * @returns the card
 */
export const openSteps = (
  host: Host,
  survey: Survey,
  texts: Texts,
  record: Record,
  root: HTMLElement,
  close: Element | false,
  end: () => void,
): HTMLElement => {
  let score: number;
  const ask = h("div", { "aria-live": "polite" });
  const more = h("div");
  const said = h("div", { role: "status", class: "thanks" });
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

  /** The follow-up to a score; the group's question changes when the score does, what was typed stays. */
  const choose = (chosen: number) => {
    score = chosen;
    record.answer(score);
    const question = followUp(survey, texts, score);
    const asked = survey.email_ && !host.identity;
    // arrow keys only pass by a score
    if (!question && !asked && !root.shadowRoot!.querySelector(":focus-visible")) return thank();
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
    if (!record.answered()) return;
    const address = email.isConnected && email.value.trim();
    if (address && !(email.checkValidity() && /@.+\../.test(address))) {
      email.setAttribute("aria-invalid", "true");
      hint.textContent = texts.invalid!;
      return email.focus();
    }
    const typed = comment?.isConnected && comment.value.trim();
    record.answer(score, {
      complete: true,
      ...(typed && { comment: typed }),
      ...(address && { email: address }),
    });
    thank();
  };
  const thank = () => {
    if (!form.isConnected) return; // someone who heard the answer took it off
    record.complete(score);
    const { heading, body_: body, image, link, link_text } = thanksFor(survey, texts, score);
    const inside = root.shadowRoot!.activeElement;
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
    if (!link && close) setTimeout(leave, FAREWELL);
  };
  /** Not from under someone's pointer or focus. */
  const leave = () => {
    if (root.shadowRoot!.activeElement || root.matches(":hover")) setTimeout(leave, FAREWELL);
    else end();
  };

  const form = drawForm(survey, texts, choose, submit, ask, more);
  const dialog = h<HTMLElement>(
    "section",
    { role: "dialog", "aria-label": texts.question_, tabindex: -1, class: "card" },
    close,
    form,
    said,
  );
  return dialog;
};
