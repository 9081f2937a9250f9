/** What draws: puts the pieces of one survey together, and lives through its time on the page. */
import { openOutbox, type Outbox } from "./api";
import { drawRoot, face } from "./card";
import { h, pause } from "./dom";
import { languageFor } from "./language";
import { live } from "./life";
import { fit } from "./place";
import { openRecord } from "./record";
import { shield } from "./shield";
import { Reason } from "./rules";
import { say } from "./say";
import { openSteps } from "./steps";
import type { Config, Host, Showing, Shown, Survey, Ui } from "./types";

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
    tab.lastChild!.textContent = texts.reopen || callout;
    root.dataset.state = "closed";
    dialog.replaceWith(tab);
    if (inside) tab.focus();
  };
  /** A call-out opens because someone pressed it, so the focus goes along. */
  const open = () => {
    root.dataset.state = "open";
    tab.replaceWith(dialog);
    rest();
    dialog.focus();
  };
  const tab = h<HTMLButtonElement>("button", { class: "tab" }, face(7, 5), callout);
  const close = !mount && h("button", { class: "close", "aria-label": texts.close_ });
  const news = h("div", { role: "status", class: "news" });
  const [dialog, rest] = openSteps(host, survey, texts, record, root, close, () => life.end());
  shadow.append(news, callout ? tab : dialog);
  const seen = () => {
    record.see();
    setTimeout(() => (news.textContent = callout || texts.question_), SOON);
  };
  const place = () => fit(root, survey, mount);
  const life = live(host, showing, root, place, callout ? "closed" : "open", seen, () => refocus());
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

/** Which format of the configuration this build reads. */
declare const __FORMAT__: number;

const seek: Ui["seek"] = async (view, key, found) => {
  const { url } = view.host;
  try {
    const reply = await fetch(new URL(key + `.json?format=${__FORMAT__}`, url), { credentials: "omit" });
    const [survey] = ((await reply.json()) as Config).surveys as [Survey];
    view.surveys = [...view.surveys, survey]; // so that it is explained, and asked for once
    if (view.host.allowed) found(survey);
  } catch {
    say(`${key} cannot be shown: not published, or the collector is away`);
  }
};

export const create = async (host: Host): Promise<Ui> => {
  await pause(); // what is compiled now and what is drawn then are a task each
  const outbox = openOutbox(host);
  return {
    show: (survey, showing) => show(host, outbox, survey, showing),
    seek,
    flush: outbox.flush,
    age: outbox.age,
  };
};
