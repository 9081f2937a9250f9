/** What draws: puts the pieces of one survey together, and lives through its time on the page. */
import { openOutbox, type Outbox } from "./api";
import { drawRoot } from "./card";
import { h, pause } from "./dom";
import { languageFor } from "./language";
import { live } from "./life";
import { openRecord } from "./record";
import { shield } from "./shield";
import { Reason } from "./rules";
import { openSteps } from "./steps";
import type { Host, Showing, Shown, Survey, Ui } from "./types";

const show = (host: Host, outbox: Outbox, survey: Survey, showing: Showing): Shown => {
  const { preferred: language, mount, still } = showing;
  const spoken = languageFor(Object.keys(survey.texts), language);
  const texts = survey.texts[spoken]!;
  const callout = !mount && texts.callout;
  const root = drawRoot(survey, texts, spoken, mount);
  const shadow = root.shadowRoot!;
  const record = openRecord(host, outbox, survey, spoken, root);

  const dismiss = () => {
    if (!root.dataset.state) return life.end(); // nobody has seen it yet
    record.dismiss();
    if (!callout || record.answered()) return life.end();
    const inside = shadow.activeElement;
    tab.textContent = texts.reopen || callout;
    root.dataset.state = "closed";
    dialog.replaceWith(tab);
    if (inside) tab.focus();
  };
  /** A call-out opens because someone pressed it, so the focus goes along. */
  const open = () => {
    root.dataset.state = "open";
    tab.replaceWith(dialog);
    dialog.focus();
  };
  const tab = h<HTMLButtonElement>("button", { class: "tab" }, callout);
  const close = !mount && h("button", { class: "close", "aria-label": texts.close_ }, "×");
  const news = h("div", { role: "status", class: "news" });
  const dialog = openSteps(host, survey, texts, record, root, close, () => life.end());
  shadow.append(news, callout ? tab : dialog);
  const seen = () => {
    record.see();
    setTimeout(() => (news.textContent = callout || texts.question_), SOON);
  };
  const life = live(host, showing, root, callout ? "closed" : "open", seen, () => refocus());
  const refocus = shield(root, life.signal, { tab: open, close: dismiss }, () => {
    if (!mount && root.dataset.state != "closed") dismiss();
  });
  /** The page has become another; where it has taken this off, it comes back by itself unless it would show anew anyway. */
  const arrive = (reason: Reason) => {
    life.away = !!still && (reason == Reason.Page || reason == Reason.Excluded);
    const over = record.answered()
      ? life.away && root.dataset.state == "thanks"
      : life.away || reason == Reason.Answered;
    if (still && (over || (!root.isConnected && reason == Reason.Show))) life.end();
  };
  return { survey, root, arrive, dismiss, destroy: () => life.end() };
};

/** Milliseconds until what appeared is said. */
const SOON = 200;

export const create = async (host: Host): Promise<Ui> => {
  await pause(); // what is compiled now and what is drawn then are a task each
  const outbox = openOutbox(host);
  return {
    show: (survey, showing) => show(host, outbox, survey, showing),
    flush: outbox.flush,
    age: outbox.age,
  };
};
